/** `npm start`: runs the whole system and, if they exist, the samples on this machine. */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { connectStorage, createTenantStore, provisionStorage } from "../azure/index.ts";
import type { JobServiceClient } from "../client/index.ts";
import { parseLockMs } from "../core/settings/service-settings.ts";
import { DEFAULT_POOL } from "../core/deployment/topology.ts";
import type { JobView } from "../core/http/views.ts";
import {
  DEMO_TENANT,
  fetchArtifacts,
  publishPackages,
  runDemo,
  sampleJobs,
  failOnPurpose,
} from "../local/demo/demo.ts";
import { createReport, type Report } from "../local/demo/report.ts";
import { announceTimers, runningJobs, showJobs } from "../local/demo/show-jobs.ts";
import { openBrowser } from "../platform/open-browser.ts";
import { oneTimeLink } from "../local/identity/one-time-link.ts";
import { type Home, HomeInUseError, openHome } from "../local/home.ts";
import { DEFAULT_HOME, LAUNCHER } from "../local/launcher.ts";
import { PortTakenError, assertFree } from "../local/ports.ts";
import { readIfThere, writePrivateFile } from "../local/private-file.ts";
import { removeRunning, writeRunning } from "../local/running-file.ts";
import { ADMIN_APPLICATION, DEMO_APPLICATION, seedTenants } from "../local/identity/principals.ts";
import { type Stack, type StackOptions, type StackPart, localClient, startStack } from "../local/stack.ts";
import { startLocalTelemetry, type LocalTelemetry } from "../local/telemetry/local-telemetry.ts";
import { readStartOptions, type StartOptions } from "../local/start-options.ts";
import { ProgramFailedError } from "../local/supervisor.ts";
import { assertNamesDiffer, packFolder, packPackages, type PackedPackage } from "../package/build/pack-folder.ts";
import { PackError } from "../package/build/problem.ts";
import { currentPlatform } from "../worker/package-cache/unpack.ts";
import { explain } from "./explain.ts";

const ROOT = join(import.meta.dirname, "../..");
/** One's own packages. */
const OWN = join(ROOT, "packages");
const SAMPLES = join(ROOT, "packages-sample");
const WEB = join(ROOT, "web");
/** If the programs have just ended, no second try is needed. */
const HOME_WAIT_MS = 5_000;
/** Time for running jobs to end after Ctrl-C. The others run again at the next start. */
const DRAIN_MS = 15_000;
/** Time limit for listing the running jobs at a stop. */
const LOOK_WITHIN_MS = 2_000;
/** Further running jobs are counted, not listed. */
const NAMED_MAX = 5;
/** Exit code after an interrupted run. */
const CUT_SHORT = 130;
const PARTS: Readonly<Record<StackPart, string>> = {
  storage: "Storage",
  bus: "Message broker",
  identity: "Token issuer",
  api: "API",
  workers: "Workers",
};

async function main(): Promise<void> {
  let report = createReport(process.stdout);
  const interrupted = new AbortController();
  const { signal } = interrupted;
  let home: Home | undefined;
  let stack: Stack | undefined;
  let telemetry: LocalTelemetry | undefined;
  /** May read every tenant. */
  let admin: JobServiceClient | undefined;

  const stop = async (exitCode: number): Promise<never> => {
    if (signal.aborted && admin !== undefined) await tellWhatRuns(admin, report);
    await stack?.stop();
    await telemetry?.close();
    if (home !== undefined) await removeRunning(home.directory);
    home?.release();
    if (signal.aborted) report.step(`Stopped. Data stays${home === undefined ? "" : ` in ${home.directory}`}.`);
    process.exit(exitCode);
  };
  const onSignal = (): void => {
    if (signal.aborted) {
      stack?.kill();
      process.exit(CUT_SHORT);
    }
    report.notice("Stopping. Press Ctrl-C again to stop at once.");
    interrupted.abort(new Interrupted());
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  // The terminal was closed.
  process.on("SIGHUP", onSignal);
  // `jobyard dev`, which started this process, is gone.
  process.on("disconnect", onSignal);

  try {
    const options = readStartOptions(process.argv.slice(2), process.env, DEFAULT_HOME);
    // With --json, standard output contains only the result.
    if (options.json) report = createReport(process.stderr);
    home = await openHome(options.home, {
      waitMs: HOME_WAIT_MS,
      onWait: (owner) => report.notice(`Waiting for an earlier Jobyard in ${options.home} to end (${owner})`),
      signal,
    });
    await assertFree(options.port, "--port");
    await assertFree(options.identityPort, "--identity-port");
    report.step(`Starting in ${home.directory}`);
    const packing = packAll(options);
    const broken = new AbortController();
    packing.catch((error: unknown) => broken.abort(error));
    telemetry = await startLocalTelemetry({
      directory: home.directory,
      environment: process.env,
      now: () => new Date(),
      onFailure: (error) => report.notice(`Telemetry was not kept: ${explain(error)}`),
    });
    const parts = { home, telemetry: telemetry.settings, webDirectory: builtWeb(report) };
    stack = await startLocalStack(parts, options, report, AbortSignal.any([signal, broken.signal]));
    admin = await localClient(stack, ADMIN_APPLICATION);
    await announce(stack, home, options);
    const client = await localClient(stack, DEMO_APPLICATION);
    report.step(`Running at ${stack.apiUrl} with ${counted(workersOf(options), "worker")}`);
    await showDashboard(stack, options, report);
    if (options.dev !== undefined) {
      await aborted(signal);
      await stop(0);
    }
    const packages = await packing;
    if (packages.length > 0) {
      await publishPackages(packages, client);
      report.step(`Published ${packages.map(({ fileName }) => fileName).join(", ")}`);
    }
    await announceTimers(client, DEMO_TENANT, report);

    const outcome = await demonstrate(client, home, options, report, signal);
    if (options.once) await stop(outcome === "failed" ? 1 : 0);
    await showJobs(admin, report, signal);
    const hasSamples = packages.some(({ fileName }) => fileName === "financial-year-end.zip");
    const failingId = outcome !== "none" && hasSamples ? await submitFailing(client, report, signal) : undefined;
    report.hints({
      apiUrl: stack.apiUrl,
      caFile: home.directory === DEFAULT_HOME ? undefined : stack.issuer.caFile,
      tenantName: DEMO_TENANT,
      hasSamples,
      failingId,
    });
    await aborted(signal);
    await stop(0);
  } catch (error) {
    if (error instanceof Interrupted) await stop(CUT_SHORT);
    report.failure(sentenceOf(error));
    await stop(1);
  }
}

/** The packages in `packages/`, the samples, and those given by option. Throws PackError. */
async function packAll({ demo, packages, dev }: StartOptions): Promise<readonly PackedPackage[]> {
  if (dev !== undefined) return [];
  const platform = currentPlatform();
  const built = (demo === false ? [OWN] : [OWN, SAMPLES]).filter((folder) => existsSync(folder));
  const more = packages.filter((folder) => !built.includes(folder) && !built.includes(dirname(folder)));
  const packed = await Promise.all([
    // These may be empty; a folder that a person names must have a package.
    ...built.map((folder) => packFolder(folder, platform)),
    ...more.map((folder) => packPackages(folder, platform)),
  ]);
  assertNamesDiffer(packed.flat());
  return packed.flat();
}

/** The folder of the dashboard's pages, built from their source. The built package has them beside its programs instead. */
async function builtWeb(report: Report): Promise<string | undefined> {
  if (!existsSync(WEB)) return undefined;
  try {
    const { keepWebBuilt } = await import("../../web/build/build-web.ts");
    return await keepWebBuilt();
  } catch (error) {
    report.notice(`The dashboard could not be built: ${explain(error)}`);
    return undefined;
  }
}

/** Prints a link that signs the developer in once, and opens it where there is a desktop with a person before it. */
async function showDashboard(stack: Stack, { once, dev, open, json }: StartOptions, report: Report): Promise<void> {
  if (once || dev !== undefined) return;
  const link = await oneTimeLink(stack);
  report.step(`Dashboard: ${link}`);
  const { CI, SSH_CONNECTION } = process.env;
  if (!open || json || !process.stdout.isTTY || CI !== undefined || SSH_CONNECTION !== undefined) return;
  openBrowser(link, { env: process.env, platform: process.platform });
}

/** Says where the system is: to commands of the same user, and to `jobyard dev` if that has started it. */
async function announce({ apiUrl, issuer }: Stack, { directory }: Home, { dev }: StartOptions): Promise<void> {
  await writeRunning(directory, { apiUrl, issuer, inspectPort: dev?.inspect?.port });
  process.send?.({ type: "ready" });
}

/** Lists the running jobs before the workers stop. */
async function tellWhatRuns(admin: JobServiceClient, report: Report): Promise<void> {
  try {
    const jobs = await runningJobs(admin, AbortSignal.timeout(LOOK_WITHIN_MS));
    if (jobs.length === 0) return;
    const named = jobs.slice(0, NAMED_MAX).map(({ jobType, jobName }) => `${jobType} ${jobName}`);
    const more = jobs.length > NAMED_MAX ? ` and ${jobs.length - NAMED_MAX} more` : "";
    report.notice(
      `Waiting up to ${DRAIN_MS / 1_000} s for ${counted(jobs.length, "running job")}: ${named.join(", ")}${more}. ` +
        "Jobs that do not end by then run again at the next start.",
    );
  } catch {
    // Storage or the API may be down. The workers are stopped anyway.
    report.notice(`Running jobs get up to ${DRAIN_MS / 1_000} s to end.`);
  }
}

function startLocalStack(
  parts: Required<Pick<StackOptions, "home" | "telemetry" | "webDirectory">>,
  options: StartOptions,
  report: Report,
  signal: AbortSignal,
): Promise<Stack> {
  const startedAt = performance.now();
  const inspect = options.dev?.inspect;
  return startStack({
    ...parts,
    signal,
    inspect,
    // Whoever saves a file waits for the next job to run it.
    packageAnswerMs: options.dev === undefined ? undefined : 0,
    apiPort: options.port,
    identityPort: options.identityPort,
    pools: new Map([[DEFAULT_POOL, workersOf(options)], ...options.pool]),
    slots: inspect === undefined ? availableParallelism() : 1,
    lockMs: parseLockMs(process.env),
    drainMs: DRAIN_MS,
    launcher: LAUNCHER,
    environment: process.env,
    onRestart: (name, how) => report.notice(`${name} ended (${how}). Restarting it.`),
    onReady: (part) => report.step(`${PARTS[part]} (${((performance.now() - startedAt) / 1_000).toFixed(1)} s)`),
    async provision(connectionString) {
      const storage = connectStorage({ kind: "connection-string", storage: connectionString });
      await provisionStorage(storage);
      await seedTenants(createTenantStore({ storage }), new Date());
    },
  });
}

/** Runs the samples, unless they are turned off, deleted or have run before, and shows the results. */
async function demonstrate(
  client: JobServiceClient,
  home: Home,
  { demo, once, json }: StartOptions,
  report: Report,
  signal: AbortSignal,
): Promise<"none" | "succeeded" | "failed"> {
  if (demo === false) return "none";
  const requests = await sampleJobs(SAMPLES);
  if (requests.length === 0) {
    report.step("There are no sample jobs to run: packages-sample has been deleted");
    if (json) console.log(JSON.stringify({ submitted: 0, succeeded: 0, failed: 0, seconds: 0 }));
    return "none";
  }
  const ranBefore = await readIfThere(home.demo);
  if (ranBefore !== undefined && demo === undefined && !once) {
    report.step(
      `The sample jobs have already run in this folder, as batch ${ranBefore}. To run them again: npm start -- --demo`,
    );
    return "none";
  }
  const onSubmitted = (batchId: string): Promise<void> => writePrivateFile(home.demo, batchId);
  const { batchId, jobs, seconds } = await runDemo(client, { requests, report, signal, onSubmitted });
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
  if (json) console.log(JSON.stringify(result));
  return result.succeeded === result.submitted ? "succeeded" : "failed";
}

/** One more job, which fails. The system is as good without it. */
async function submitFailing(
  client: JobServiceClient,
  report: Report,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    return await failOnPurpose(client, signal);
  } catch (error) {
    signal.throwIfAborted();
    report.notice(`The job that fails on purpose was not submitted: ${explain(error)}`);
    return undefined;
  }
}

/** Errors that the user can fix have their own messages. */
function sentenceOf(error: unknown): string {
  const isPlain =
    error instanceof HomeInUseError ||
    error instanceof ProgramFailedError ||
    error instanceof PackError ||
    error instanceof PortTakenError;
  return isPlain ? error.message : explain(error);
}

/** One job at a time has the debugger's port. */
const workersOf = ({ dev, workers }: StartOptions): number => (dev?.inspect === undefined ? workers : 1);

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** The user pressed Ctrl-C. */
class Interrupted extends Error {}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });

await main();
