/** The options of `npm start`, and their errors. */
import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { DEFAULT_POOL } from "../core/deployment/topology.ts";
import { POOL_NAME_PATTERN } from "../core/job/ids.ts";
import { API_PORT_DEFAULT } from "../core/settings/api-settings.ts";
import type { InspectSettings } from "../core/settings/worker-settings.ts";
import { type Environment, SettingsError } from "../core/settings/environment.ts";
import { wholeNumber } from "../platform/whole-number.ts";

export interface StartOptions {
  /** Stop when the sample jobs have ended. */
  readonly once: boolean;
  readonly json: boolean;
  /** Run the sample jobs. Undefined: only if they have not run in this folder. False: no samples at all. */
  readonly demo: boolean | undefined;
  /** Folders of packages to publish beside those in `packages/`. */
  readonly packages: readonly string[];
  /** Open the dashboard in the browser. */
  readonly open: boolean;
  readonly workers: number;
  readonly port: number;
  readonly identityPort: number;
  /** Additional pools by name, with their numbers of workers. */
  readonly pool: ReadonlyMap<string, number>;
  /** Folder of the data. */
  readonly home: string;
  /** It runs for `jobyard dev`. */
  readonly dev: DevSettings | undefined;
}

/** What `jobyard dev` starts the system with: no samples, and no packages but those that it publishes itself. */
export interface DevSettings {
  /** Jobs stop for a debugger, so there is one worker with one slot. */
  readonly inspect?: InspectSettings | undefined;
}

/** The issuer's default port. If the API uses any port, so does the issuer. */
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

/** The options as parsed by commander. */
type ReadOptions = Omit<StartOptions, "home" | "identityPort" | "dev"> & {
  readonly identityPort?: number;
  readonly dev?: string;
};

/** Prints and exits for `--help` and for unknown options. Throws SettingsError. */
export function readStartOptions(args: readonly string[], env: Environment, defaultHome: string): StartOptions {
  const command = startCommand();
  command.parse(args, { from: "user" });
  const [argument] = command.args;
  if (argument !== undefined) {
    throw new SettingsError(`Unexpected argument "${argument}". Options have this form: npm start -- --workers 4`);
  }
  const options = command.opts<ReadOptions>();
  const taken = command.options.find(({ long }) => isTakenByNpm(long ?? "", env));
  if (taken !== undefined) {
    throw new SettingsError(
      `npm consumed ${taken.long ?? ""} itself. Put two hyphens before it: npm start -- ${taken.long ?? ""}`,
    );
  }
  if (options.once && options.demo === false) {
    throw new SettingsError("--once and --no-demo exclude each other: --once stops when the sample jobs have ended.");
  }
  const { port } = options;
  const identityPort = options.identityPort ?? (port === 0 ? 0 : IDENTITY_PORT_DEFAULT);
  if (port !== 0 && port === identityPort) {
    throw new SettingsError(`--port and --identity-port are both ${port}. Choose another port for one of them.`);
  }
  const home = env["JOBYARD_HOME"] ?? defaultHome;
  if (home.trim() === "")
    throw new SettingsError("JOBYARD_HOME is empty. Unset it, or set it to the folder for the data.");
  return {
    ...options,
    demo: options.demo,
    identityPort,
    home: resolve(home),
    dev: options.dev === undefined ? undefined : (JSON.parse(options.dev) as DevSettings),
  };
}

const startCommand = (): Command =>
  new Command("npm start --")
    .description(
      "Runs storage, message broker, token issuer, API and workers on this machine, and runs the sample jobs.",
    )
    .addOption(
      new Option("--once", "stop when the sample jobs have ended; exit 0 when all succeeded, else 1").default(false),
    )
    .addOption(
      new Option(
        "--json",
        "print one JSON object as the last line of standard output, and all other text to standard error",
      ).default(false),
    )
    .addOption(new Option("--demo", "run the sample jobs even if they have run in this folder before"))
    .addOption(new Option("--no-demo", "do not publish or run the samples"))
    .addOption(
      new Option("--packages <folder>", "also publish this package, or the packages in this folder; can be repeated")
        .argParser((folder: string, folders: readonly string[]) => [...folders, resolve(folder)])
        .default([], "none"),
    )
    .addOption(new Option("--no-open", "print the dashboard's link only, and open no browser"))
    .addOption(new Option("--workers <count>", "worker processes").argParser(countOf).default(WORKERS_DEFAULT))
    .addOption(
      new Option("--pool <name=count>", "an additional worker pool; can be repeated")
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
    .addOption(new Option("--dev <json>", "for jobyard dev").hideHelp())
    // Checked after parsing, for better messages.
    .allowExcessArguments(true)
    .addHelpText("after", `\nData is stored in .jobyard, or in the folder JOBYARD_HOME.`);

/** npm consumes `once` of `npm start --once` and passes it on as an environment variable. `json` is an option of npm itself. */
const isTakenByNpm = (option: string, env: Environment): boolean =>
  option !== "--json" &&
  env["npm_lifecycle_event"] === "start" &&
  env[`npm_config_${option.replace(/^--/, "").replaceAll("-", "_")}`] !== undefined;
