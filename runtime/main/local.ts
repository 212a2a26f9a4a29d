/** `npm start`: the whole system on this machine, with the samples running through it. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { connectStorage, createTenantStore, provisionStorage } from "../azure/index.ts";
import { POOL_NAME_PATTERN } from "../core/ids.ts";
import type { JobServiceClient } from "../client/index.ts";
import { API_PORT_DEFAULT } from "../core/settings/api.ts";
import { parseLockMs } from "../core/settings/process.ts";
import { DEFAULT_POOL } from "../core/topology.ts";
import type { JobView } from "../core/views.ts";
import { DEMO_TENANT, fetchArtifacts, publishSamples, runDemo } from "../local/demo/demo.ts";
import { createReport, type Report } from "../local/demo/report.ts";
import { announceTimers, showTimerRuns } from "../local/demo/show-timers.ts";
import { HomeInUseError, openHome, type Home } from "../local/home.ts";
import { DEMO_APPLICATION } from "../local/identity/principals.ts";
import { seedTenants } from "../local/identity/seed-tenants.ts";
import { localClient } from "../local/local-client.ts";
import { startStack, type Stack } from "../local/stack.ts";
import { ProgramFailedError } from "../local/supervisor.ts";
import { packFolder } from "../packaging/pack-folder.ts";
import { currentPlatform } from "../worker/packages/platform.ts";
import { explain } from "./explain.ts";

interface LocalOptions {
  readonly once: boolean;
  readonly json: boolean;
  readonly workers: number;
  readonly port: number;
  readonly identityPort: number | undefined;
  /** Further pools by name, with their numbers of workers. */
  readonly pool: ReadonlyMap<string, number>;
}

const ROOT = join(import.meta.dirname, "../..");
const SAMPLES = join(ROOT, "packages-sample");
/** Where the issuer listens unless told otherwise; when the API takes any port, so does the issuer. */
const IDENTITY_PORT_DEFAULT = 7443;
const WORKERS_DEFAULT = 2;
const WORKERS_MAX = 32;
/** What running jobs get after Ctrl-C; what does not end by then runs again at the next start. */
const DRAIN_MS = 15_000;
/** Exit code after an interrupted run. */
const CUT_SHORT = 130;

const wholeNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };

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

const command = new Command("npm start --")
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
  .addOption(
    new Option("--workers <count>", "worker processes").argParser(wholeNumber(1, WORKERS_MAX)).default(WORKERS_DEFAULT),
  )
  .addOption(
    new Option("--pool <name=count>", "a further worker pool; may be given more than once")
      .argParser(poolOption)
      .default(new Map<string, number>(), "none"),
  )
  .addOption(new Option("--port <port>", "port of the API").argParser(wholeNumber(0, 65_535)).default(API_PORT_DEFAULT))
  .addOption(
    new Option(
      "--identity-port <port>",
      `port of the token issuer (default: ${IDENTITY_PORT_DEFAULT}, or any with --port 0)`,
    ).argParser(wholeNumber(0, 65_535)),
  )
  .addHelpText("after", `\nData is kept in .jobyard, or in the folder that JOBYARD_HOME names.`)
  .allowExcessArguments(false);
command.parse();

async function main(options: LocalOptions): Promise<void> {
  // With --json, standard output is for the result alone.
  const report = createReport(options.json ? process.stderr : process.stdout);
  const interrupted = new AbortController();
  let home: Home | undefined;
  let stack: Stack | undefined;

  const stop = async (exitCode: number): Promise<never> => {
    await stack?.stop();
    await home?.release();
    process.exit(exitCode);
  };
  const onSignal = (): void => {
    if (interrupted.signal.aborted) {
      stack?.kill();
      process.exit(CUT_SHORT);
    }
    report.notice("Stopping: running jobs get a moment to end. Press Ctrl-C again to stop at once.");
    interrupted.abort(new Interrupted());
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  // The terminal was closed.
  process.on("SIGHUP", onSignal);

  try {
    const packing = packFolder(SAMPLES, currentPlatform());
    // Heard when it is awaited below; a failure must not end the process before that.
    packing.catch(() => undefined);
    home = await openHome(process.env["JOBYARD_HOME"] ?? join(ROOT, ".jobyard"));
    stack = await startLocalStack(home, options, report);
    const client = await localClient(stack, DEMO_APPLICATION);
    report.step(`Running at ${stack.apiUrl} with ${options.workers} workers; data in ${home.directory}`);
    const samples = await packing;
    await publishSamples(samples, client);
    report.step(`Published ${samples.map(({ fileName }) => fileName).join(", ")}`);
    await announceTimers(client, report);

    const succeeded = await demonstrate(client, home, options, report, interrupted.signal);
    if (options.once) await stop(succeeded ? 0 : 1);
    report.hints(stack, DEMO_TENANT, DEMO_APPLICATION);
    await showTimerRuns(client, report);
    await aborted(interrupted.signal);
    await stop(0);
  } catch (error) {
    if (error instanceof Interrupted) await stop(CUT_SHORT);
    report.failure(
      error instanceof HomeInUseError || error instanceof ProgramFailedError ? error.message : explain(error),
    );
    await stop(1);
  }
}

function startLocalStack(home: Home, options: LocalOptions, report: Report): Promise<Stack> {
  return startStack({
    home,
    apiPort: options.port,
    identityPort: options.identityPort ?? (options.port === 0 ? 0 : IDENTITY_PORT_DEFAULT),
    pools: new Map([[DEFAULT_POOL, options.workers], ...options.pool]),
    slots: availableParallelism(),
    lockMs: parseLockMs(process.env),
    drainMs: DRAIN_MS,
    launcher: join(import.meta.dirname, "start.mjs"),
    environment: process.env,
    onRestart: (name, how) => report.notice(`${name} ended (${how}); starting it again`),
    async provision(connectionString) {
      const storage = connectStorage({ kind: "connection-string", storage: connectionString });
      await provisionStorage(storage);
      await seedTenants(createTenantStore({ storage }), new Date());
    },
  });
}

/** Runs the samples and shows what came of them. */
async function demonstrate(
  client: JobServiceClient,
  home: Home,
  options: LocalOptions,
  report: Report,
  signal: AbortSignal,
): Promise<boolean> {
  const { batchId, jobs, seconds } = await runDemo(client, SAMPLES, report, signal);
  const folder = join(home.artifacts, batchId);
  const count = await fetchArtifacts(client, jobs, folder);
  report.table(jobs);
  report.step(`${count} artifacts copied to ${folder}`);
  const inState = (state: JobView["state"]): number => jobs.filter((job) => job.state === state).length;
  const result = {
    batchId,
    submitted: jobs.length,
    succeeded: inState("succeeded"),
    failed: inState("failed"),
    seconds,
  };
  if (options.json) console.log(JSON.stringify(result));
  return result.succeeded === result.submitted;
}

/** Somebody pressed Ctrl-C. */
class Interrupted extends Error {}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });

await main(command.opts<LocalOptions>());
