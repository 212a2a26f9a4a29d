/** A local stack for one measurement, with its own folder and ports, and what measurements do with it. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { SETTINGS } from "../infra/plan/settings.ts";
import { connectStorage, createPackageStore, createTenantStore, provisionStorage } from "../runtime/azure/index.ts";
import type { JobServiceClient, JobView } from "../runtime/client/index.ts";
import { DEFAULT_POOL } from "../runtime/core/deployment/topology.ts";
import { type StateCounts, openOf } from "../runtime/core/job/states.ts";
import { REQUESTS_PER_MINUTE_MAX } from "../runtime/core/limits.ts";
import { SETTING } from "../runtime/core/settings/names.ts";
import { openHome } from "../runtime/local/home.ts";
import { signInAs } from "../runtime/local/identity/issuer-client.ts";
import { ADMIN_APPLICATION, seedTenants } from "../runtime/local/identity/principals.ts";
import { startStack, type Stack, type StackOptions, localClient } from "../runtime/local/stack.ts";
import { testPackage } from "../test/support/packages/test-package.ts";
import { rounded, until } from "./suite.ts";

const LAUNCHER = join(import.meta.dirname, "../runtime/main/start.mjs");

export type BenchStackOptions = Pick<StackOptions, "slots" | "apis" | "webDirectory"> & {
  /** Of the default pool. */
  readonly workers: number;
  /** Starts the programs. Default: as `npm start` does. */
  readonly launcher?: string;
  /** Variables of the stack's programs. */
  readonly environment?: Readonly<Record<string, string>>;
};

/**
 * The stack is removed afterwards. It publishes the events that a deployed stack publishes by default. No request is
 * refused because there are many.
 */
export async function withStack<T>(
  { workers, launcher = LAUNCHER, environment = {}, ...options }: BenchStackOptions,
  measure: (stack: Stack) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "jobyard-bench-"));
  const home = await openHome(directory);
  const stack = await startStack({
    ...options,
    home,
    apiPort: 0,
    identityPort: 0,
    pools: new Map([[DEFAULT_POOL, workers]]),
    lockMs: 60_000,
    drainMs: 5_000,
    requestsPerMinute: REQUESTS_PER_MINUTE_MAX,
    launcher,
    environment: { ...process.env, [SETTING.events]: SETTINGS.events.fallback, ...environment },
    onRestart: () => undefined,
    async provision(connectionString) {
      const storage = connectStorage({ kind: "connection-string", storage: connectionString });
      await provisionStorage(storage);
      await seedTenants(createTenantStore({ storage }), new Date());
    },
  });
  try {
    return await measure(stack);
  } finally {
    await stack.stop();
    home.release();
    await rm(directory, { recursive: true, force: true });
  }
}

export const TENANT = "bench";
export type Isolation = "process" | "reuse";
export const ISOLATIONS: readonly Isolation[] = ["reuse", "process"];

/** Bodies of jobs. `Stamp` tells when its code ran, by the clock that all processes of the machine share. */
const JOBS = {
  Nothing: "return {};",
  Stamp: "return { output: Number(process.hrtime.bigint()) / 1e6 };",
  FailsOnce: "if (job.attempt === 1) throw new Error('the first attempt fails'); return {};",
} as const;

export const packageFor = (isolation: Isolation): string => `${isolation}.zip`;

/** A job of the packages that `prepare` has published. */
export const jobOf = (jobType: keyof typeof JOBS, isolation: Isolation) => ({
  tenantName: TENANT,
  jobType,
  jobName: jobType,
  jobProcessorPackageName: packageFor(isolation),
});

export interface PreparedStack {
  readonly client: JobServiceClient;
  readonly call: Call;
}

/** Publishes the packages and signs in. */
export async function prepare(stack: Stack): Promise<PreparedStack> {
  for (const isolation of ISOLATIONS)
    await publish(stack, packageFor(isolation), testPackage({ jobs: JOBS, isolation }));
  return { client: await localClient(stack, ADMIN_APPLICATION), call: createCall(stack) };
}

export async function publish(stack: Stack, packageName: string, zip: Uint8Array): Promise<void> {
  const storage = connectStorage({ kind: "connection-string", storage: stack.storageConnectionString });
  await createPackageStore({ storage }).upload(TENANT, packageName, zip);
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Sends a request with a token, over connections that stay open. Status 0: there was no answer, `text` says why. */
export type Call = (method: "GET" | "POST", path: string, body?: string) => Promise<Answer>;

/** A request without an answer by then has failed. */
const ANSWER_WITHIN_MS = 60_000;

/** Does as little as possible, so that the API is measured and not its client. */
export function createCall(stack: Pick<Stack, "apiUrl" | "issuer">, application = ADMIN_APPLICATION): Call {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const authorize = signInAs(application, stack.issuer);
  const { hostname, port } = new URL(stack.apiUrl);
  return async (method, path, body) => {
    const headers = {
      authorization: await authorize(),
      ...(body !== undefined && { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
    };
    return new Promise((resolve) => {
      const failed = (error: Error): void => resolve({ status: 0, text: error.message });
      const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
      const sent = request({ agent, hostname, port, method, path, headers, signal }, (response) => {
        const chunks: Uint8Array[] = [];
        response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
        response.once("error", failed);
        response.once("end", () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        );
      });
      sent.once("error", failed);
      sent.end(body);
    });
  };
}

/** Throws unless the answer has the expected status. */
export async function expectAnswer(answer: Promise<Answer>, status: number): Promise<unknown> {
  const { status: found, text } = await answer;
  if (found !== status) throw new Error(`The API answered ${found} instead of ${status}: ${text.slice(0, 500)}`);
  return JSON.parse(text) as unknown;
}

/** Resolves to the job's id. */
export const submitOne = async (call: Call, job: object): Promise<string> =>
  ((await expectAnswer(call("POST", "/v1/jobs", JSON.stringify(job)), 201)) as { jobId: string }).jobId;

/** At most this many in one request. */
const BULK_JOBS = 10_000;

/** Throws if the API refuses a job. */
export async function submitMany(call: Call, batchId: string, job: object, count: number): Promise<void> {
  for (let left = count; left > 0; left -= BULK_JOBS) {
    const jobs = Array<object>(Math.min(left, BULK_JOBS)).fill(job);
    const { results } = (await expectAnswer(call("POST", "/v1/jobs/bulk", JSON.stringify({ batchId, jobs })), 200)) as {
      results: readonly { readonly error?: { readonly message: string } }[];
    };
    const refused = results.find(({ error }) => error !== undefined);
    if (refused !== undefined) throw new Error(refused.error?.message);
  }
}

async function countsOf({ monitoring }: JobServiceClient, batchId: string): Promise<StateCounts> {
  const { counts } = await monitoring.getBatch(batchId);
  if (counts === undefined) throw new Error("The API returned no counts.");
  return counts;
}

/** Looks seldom, because each look costs the machine that is measured. */
const LOOK_EVERY_MS = 250;

/** Resolves to the batch's jobs when all of them have ended. Throws if one did not succeed. */
export async function endedJobs(client: JobServiceClient, batchId: string, count: number): Promise<readonly JobView[]> {
  await until("all jobs have ended", async () => openOf(await countsOf(client, batchId)) === 0, LOOK_EVERY_MS);
  const jobs: JobView[] = [];
  for await (const job of client.monitoring.getJobsFromBatch(batchId, { pageSize: 1_000 })) jobs.push(job);
  const failed = jobs.filter(({ state }) => state !== "succeeded");
  if (jobs.length !== count || failed.length > 0)
    throw new Error(`${failed.length} of ${jobs.length} jobs did not succeed: ${JSON.stringify(failed[0]?.failure)}`);
  return jobs;
}

/** Process id of one of the stack's programs. */
export function pidOf(stack: Stack, name: string): number {
  const pid = stack.supervisor.pidOf(name);
  if (pid === undefined) throw new Error(`The program ${name} is not running.`);
  return pid;
}

/** Resident set of one of the stack's programs. */
export async function rssMiB(stack: Stack, name: string): Promise<number> {
  const { stdout } = await promisify(execFile)("ps", ["-o", "rss=", "-p", String(pidOf(stack, name))]);
  return rounded(Number(stdout) / 1_024);
}
