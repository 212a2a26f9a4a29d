/** What `npm start` can be told, and what is wrong with what it was told. */
import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { DEFAULT_POOL } from "../core/deployment/topology.ts";
import { POOL_NAME_PATTERN } from "../core/job/ids.ts";
import { API_PORT_DEFAULT } from "../core/settings/api-settings.ts";
import { type Environment, SettingsError } from "../core/settings/environment.ts";
import { wholeNumber } from "../platform/whole-number.ts";

export interface StartOptions {
  /** Stop when the sample jobs have ended. */
  readonly once: boolean;
  readonly json: boolean;
  /** Run the sample jobs; undefined: unless they have run in this folder before. False: no samples at all. */
  readonly demo: boolean | undefined;
  /** Folders whose packages are published too. */
  readonly packages: readonly string[];
  readonly workers: number;
  readonly port: number;
  readonly identityPort: number;
  /** Further pools by name, with their numbers of workers. */
  readonly pool: ReadonlyMap<string, number>;
  /** Where data is kept. */
  readonly home: string;
}

/** Where the issuer listens unless told otherwise; when the API takes any port, so does the issuer. */
const IDENTITY_PORT_DEFAULT = 7443;
const WORKERS_DEFAULT = 2;
const WORKERS_MAX = 32;
const PORT_MAX = 65_535;

const countOf = wholeNumber(1, WORKERS_MAX);

function poolOption(text: string, pools: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const [, name = "", count = ""] = /^([^=]*)=(.*)$/.exec(text) ?? [];
  if (!POOL_NAME_PATTERN.test(name) || name === DEFAULT_POOL) {
    throw new InvalidArgumentError(
      "It must be name=count, as in gpu=1, with a name of lower-case letters, digits and hyphens.",
    );
  }
  return new Map([...pools, [name, countOf(count)]]);
}

/** As commander has read them. */
type ReadOptions = Omit<StartOptions, "home" | "identityPort"> & { readonly identityPort?: number };

/** Prints and exits for `--help` and for options that do not exist. Throws SettingsError. */
export function readStartOptions(args: readonly string[], env: Environment, defaultHome: string): StartOptions {
  const command = startCommand();
  command.parse(args, { from: "user" });
  const [argument] = command.args;
  if (argument !== undefined) {
    throw new SettingsError(
      `There is nothing to be named "${argument}" here. Options look so: npm start -- --workers 4`,
    );
  }
  const options = command.opts<ReadOptions>();
  const taken = command.options.find(({ long }) => isTakenByNpm(long ?? "", env));
  if (taken !== undefined) {
    throw new SettingsError(
      `npm kept ${taken.long ?? ""} for itself. Put two hyphens before it: npm start -- ${taken.long ?? ""}`,
    );
  }
  if (options.once && options.demo === false) {
    throw new SettingsError("--once stops when the sample jobs have ended, and --no-demo runs none: choose one.");
  }
  const { port } = options;
  const identityPort = options.identityPort ?? (port === 0 ? 0 : IDENTITY_PORT_DEFAULT);
  if (port !== 0 && port === identityPort) {
    throw new SettingsError(`--port and --identity-port are both ${port}: give one of them another port.`);
  }
  const home = env["JOBYARD_HOME"] ?? defaultHome;
  if (home.trim() === "") throw new SettingsError("JOBYARD_HOME is empty: unset it, or name the folder for the data.");
  return { ...options, demo: options.demo, identityPort, home: resolve(home) };
}

const startCommand = (): Command =>
  new Command("npm start --")
    .description(
      "Runs storage, message broker, token issuer, API and workers on this machine, and the sample jobs on them.",
    )
    .addOption(
      new Option("--once", "stop when the sample jobs have ended; exit 0 when all succeeded, else 1").default(false),
    )
    .addOption(
      new Option(
        "--json",
        "print one JSON object as the last line of standard output, all else to standard error",
      ).default(false),
    )
    .addOption(new Option("--demo", "run the sample jobs, although they have run in this folder before"))
    .addOption(new Option("--no-demo", "publish no samples and run none"))
    .addOption(
      new Option("--packages <folder>", "publish your packages too: a package, or a folder of them; may be repeated")
        .argParser((folder: string, folders: readonly string[]) => [...folders, resolve(folder)])
        .default([], "none"),
    )
    .addOption(new Option("--workers <count>", "worker processes").argParser(countOf).default(WORKERS_DEFAULT))
    .addOption(
      new Option("--pool <name=count>", "a further worker pool; may be repeated")
        .argParser(poolOption)
        .default(new Map<string, number>(), "none"),
    )
    .addOption(
      new Option("--port <port>", "port of the API").argParser(wholeNumber(0, PORT_MAX)).default(API_PORT_DEFAULT),
    )
    .addOption(
      new Option(
        "--identity-port <port>",
        `port of the token issuer (default: ${IDENTITY_PORT_DEFAULT}, or any with --port 0)`,
      ).argParser(wholeNumber(0, PORT_MAX)),
    )
    // Judged after the parsing, in words that help.
    .allowExcessArguments(true)
    .addHelpText("after", `\nData is kept in .jobyard, or in the folder that JOBYARD_HOME names.`);

/** `npm start --once` gives `once` to npm, which hands it on as an environment variable. npm has a `json` of its own. */
const isTakenByNpm = (option: string, env: Environment): boolean =>
  option !== "--json" &&
  env["npm_lifecycle_event"] === "start" &&
  env[`npm_config_${option.replace(/^--/, "").replaceAll("-", "_")}`] !== undefined;
