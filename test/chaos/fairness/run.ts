/** One run of fairness over the real programs: the local stack, two tenants, kills, and a pause. */
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { connectStorage, provisionStorage } from "../../../runtime/azure/index.ts";
import { JobServiceClient, type JobView } from "../../../runtime/client/index.ts";
import { startBoundMs } from "../../../runtime/core/admission/fair-share.ts";
import { DEFAULT_POOL } from "../../../runtime/core/deployment/topology.ts";
import { openHome } from "../../../runtime/local/home.ts";
import { ADMIN_APPLICATION } from "../../../runtime/local/identity/principals.ts";
import { signInAs } from "../../../runtime/local/identity/issuer-client.ts";
import { startStack, type Stack } from "../../../runtime/local/stack.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { createInjurer } from "../engine/injurer.ts";

export interface FairnessOptions {
  readonly manyCount: number;
  readonly fewCount: number;
  /** How long each job sleeps. */
  readonly jobMs: number;
  readonly killCount: number;
  readonly directory: string;
  readonly onProgress: (line: string) => void;
}

export interface FairnessReport {
  readonly manyCount: number;
  readonly slots: number;
  readonly submitPerSecond: number;
  /** The longest job that was seen. It takes longer than it sleeps. */
  readonly longestJobMs: number;
  /** From the answer to its submit to its start. */
  readonly firstFewMs: number;
  readonly lastFewMs: number;
  readonly boundMs: number;
  /** What the first of the few would have waited behind the many. */
  readonly withoutSharesMs: number;
  /** From the answer to a pause to the last start of a job. */
  readonly startedAfterPauseMs: number;
  readonly resumedAfterMs: number;
  readonly violations: readonly string[];
}

const WORKERS = 2;
const SLOTS = 4;
const LOCK_MS = 5_000;
const REQUESTS_PER_MINUTE = 1_000_000;
const TOKEN_MS = 60_000;
const LOOK_MS = 50;
const PATIENCE_MS = 120_000;
/** Between two reads of what is paused, and one read on a busy machine. */
const PAUSE_WITHIN_MS = 3_000;
/** A round of the refill, and the time that a look and a claim take on a busy machine. */
const ROUND_MS = 2_000;
/** After a kill: the lock of what was under way, and the restart of the program. */
const KILL_MS = LOCK_MS + 15_000;
const [MANY, FEW, PACKAGE] = ["many", "few", "nap.zip"];

export async function runFairness(options: FairnessOptions): Promise<FairnessReport> {
  const home = await openHome(options.directory);
  const stack = await startStack({
    ...{ home, apiPort: 0, apis: 2, identityPort: 0, pools: new Map([[DEFAULT_POOL, WORKERS]]) },
    ...{ slots: SLOTS, lockMs: LOCK_MS, drainMs: LOCK_MS, requestsPerMinute: REQUESTS_PER_MINUTE },
    launcher: fileURLToPath(import.meta.resolve("../../../runtime/main/start.mjs")),
    environment: process.env,
    onRestart: (name, how) => options.onProgress(`${name} ended (${how}); starting it again`),
    provision: (storage) => provisionStorage(connectStorage({ kind: "connection-string", storage })),
  });
  try {
    return await carryOut(stack, options);
  } finally {
    await stack.stop().catch(() => undefined);
    stack.kill();
    home.release();
  }
}

async function carryOut(stack: Stack, options: FairnessOptions): Promise<FairnessReport> {
  const { manyCount, fewCount, jobMs, killCount, onProgress } = options;
  const authorize = signInAs(ADMIN_APPLICATION, stack.issuer);
  const getToken = async () => ({
    token: (await authorize()).replace(/^Bearer /, ""),
    expiresOnTimestamp: Date.now() + TOKEN_MS,
  });
  const client = new JobServiceClient(stack.apiUrl, { credential: { getToken } });
  const body = `await new Promise((resolve) => setTimeout(resolve, ${jobMs})); return {};`;
  const zip = testPackage({ jobs: { Nap: body }, isolation: "reuse" });
  for (const tenantName of [MANY, FEW]) {
    await client.management.createTenant(tenantName);
    await client.management.publishPackage(tenantName, PACKAGE, Uint8Array.from(zip));
  }
  const request = (tenantName: string) => ({
    ...{ tenantName, jobType: "Nap", jobName: "Nap", jobProcessorPackageName: PACKAGE },
  });
  const large = manyCount > 10_000;
  const batchId = await client.management.createBatch({ tenantName: MANY, batchName: "Many", large });
  const submitAt = performance.now();
  for await (const result of client.management.submitJobs(
    Array<object>(manyCount).fill(request(MANY)) as never,
    batchId,
  )) {
    if ("error" in result) throw new Error(`Refused: ${JSON.stringify(result.error)}`);
  }
  const submitPerSecond = Math.round((1_000 * manyCount) / (performance.now() - submitAt));
  onProgress(`${manyCount} jobs are accepted, ${submitPerSecond} in a second`);
  await until(async () => ((await client.monitoring.getBatch(batchId)).counts?.running ?? 0) > 0, "the first job");

  const injurer = createInjurer(stack.supervisor);
  const victims = ["worker-1", "api", "worker-2", "api-2"];
  for (let i = 0; i < killCount; i++) {
    const program = victims[i % victims.length] ?? "api";
    injurer.inflict({ afterShare: 0, program, injury: { kind: "kill" } });
    await wait(jobMs);
  }
  await injurer.done();

  const submitted = await Promise.all(
    Array.from({ length: fewCount }, async () => {
      const jobId = await client.management.submitJob(request(FEW));
      return { jobId, at: Date.now() };
    }),
  );
  const few = await Promise.all(submitted.map(({ jobId }) => ended(client, jobId)));
  const waits = few.map((job, i) => startOf(job) - (submitted[i]?.at ?? 0)).toSorted((a, b) => a - b);
  const many = await firstPage(client, batchId);
  const longestJobMs = Math.max(jobMs, ...[...few, ...many].map(durationOf));
  const slots = WORKERS * SLOTS;
  const boundMs = startBoundMs(slots, 2, longestJobMs) + ROUND_MS + (killCount > 0 ? KILL_MS : 0);
  const [firstFewMs = Infinity, lastFewMs = Infinity] = [waits[0], waits.at(-1)];
  onProgress(`the first of the few started after ${firstFewMs} ms; the bound is ${boundMs} ms`);

  await client.pauses.pause({ kind: "type", tenantName: MANY, jobType: "Nap" }, { reason: "a chaos run" });
  const pausedAt = Date.now();
  await until(
    async () => ((await client.monitoring.getBatch(batchId)).counts?.running ?? 0) === 0,
    "the last running job",
  );
  const atRest = await client.monitoring.getBatch(batchId);
  await wait(PAUSE_WITHIN_MS);
  const later = await client.monitoring.getBatch(batchId);
  const isHeld = atRest.counts?.queued === later.counts?.queued;
  const lastStart = Math.max(0, ...(await firstPage(client, batchId)).map((job) => startOf(job) - pausedAt));
  await client.pauses.resume({ kind: "type", tenantName: MANY, jobType: "Nap" });
  const resumedAt = Date.now();
  const mustGoOn = (later.counts?.queued ?? 0) > 0;
  if (mustGoOn) {
    await until(
      async () => ((await client.monitoring.getBatch(batchId)).counts?.running ?? 0) > 0,
      "a start after the resume",
    );
  }
  const resumedAfterMs = Date.now() - resumedAt;

  const violations = [
    ...(firstFewMs > boundMs ? [`The first of the few waited ${firstFewMs} ms; the bound is ${boundMs} ms.`] : []),
    ...(few.some(({ state }) => state !== "succeeded") ? ["A job of the few did not succeed."] : []),
    ...(isHeld ? [] : ["Jobs of a paused type were started."]),
    ...(lastStart > PAUSE_WITHIN_MS + ROUND_MS ? [`A job was started ${lastStart} ms after the pause.`] : []),
  ];
  return {
    ...{ manyCount, slots, submitPerSecond, longestJobMs, firstFewMs, lastFewMs, boundMs },
    withoutSharesMs: Math.round((manyCount * jobMs) / slots),
    ...{ startedAfterPauseMs: lastStart, resumedAfterMs, violations },
  };
}

/** Of those that have started last: lists are in the order of submission, so all of the first pages are read. */
async function firstPage(client: JobServiceClient, batchId: string): Promise<readonly JobView[]> {
  const found: JobView[] = [];
  for (const state of ["succeeded", "running"] as const) {
    for await (const job of client.monitoring.getJobsFromBatch(batchId, { state })) found.push(job);
  }
  return found;
}

const startOf = ({ history }: JobView): number => Date.parse(history[0]?.startedAt ?? "");

const durationOf = ({ history }: JobView): number =>
  Math.max(
    0,
    ...history.map(({ startedAt, endedAt }) =>
      endedAt === undefined ? 0 : Date.parse(endedAt) - Date.parse(startedAt),
    ),
  );

async function ended(client: JobServiceClient, jobId: string): Promise<JobView> {
  let found: JobView | undefined;
  await until(async () => {
    found = await client.monitoring.getJob(jobId);
    return found.endedAt !== undefined && found.state !== "queued" && found.state !== "running";
  }, `job ${jobId}`);
  if (found === undefined) throw new Error(`There is no job ${jobId}.`);
  return found;
}

async function until(isTrue: () => Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!(await isTrue())) {
    if (performance.now() > end) throw new Error(`Waited too long for ${what}.`);
    await wait(LOOK_MS);
  }
}
