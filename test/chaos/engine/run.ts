/**
 * One chaos run: starts the local stack behind the recorder, submits jobs while its programs are killed and paused,
 * waits until every job has ended, reads the tables, and lets the checker judge the history.
 */
import { availableParallelism } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  connectStorage,
  createBatchStore,
  createJobStore,
  createPackageStore,
  provisionStorage,
} from "../../../runtime/azure/index.ts";
import { PAGE_SIZE_MAX } from "../../../runtime/core/limits.ts";
import type { Batch, Job } from "../../../runtime/core/job.ts";
import type { JobStore } from "../../../runtime/core/ports.ts";
import { openOf, totalOf } from "../../../runtime/core/states.ts";
import { DEFAULT_POOL } from "../../../runtime/core/topology.ts";
import { openHome } from "../../../runtime/local/home.ts";
import { ADMIN_APPLICATION } from "../../../runtime/local/identity/principals.ts";
import { signInAs } from "../../../runtime/local/identity/token-client.ts";
import { startStack, type Stack } from "../../../runtime/local/stack.ts";
import { seededRandom, type SeededRandom } from "../../support/seeded-random.ts";
import { judge, type RunFacts, type Verdict } from "./checker.ts";
import { createChaosClient } from "./client.ts";
import { createInjurer, type Inflicted } from "./injurer.ts";
import { measure, type Measures } from "./measures.ts";
import { readRecords } from "./record-file.ts";
import { replay } from "./replay.ts";
import { describeInjury, scheduleOf } from "./schedule.ts";
import { chaosJob, chaosPackage, expectedState, PACKAGE_NAME, TENANT } from "./workload.ts";

export interface ChaosOptions {
  readonly seed: number;
  readonly jobCount: number;
  readonly killCount: number;
  readonly workerCount: number;
  /** Of everything, storage and logs included. */
  readonly directory: string;
  readonly onProgress: (line: string) => void;
}

export interface ChaosResult {
  readonly jobs: readonly Job[];
  readonly verdict: Verdict;
  readonly measures: Measures;
  /** Jobs that ended otherwise than their own code makes them end. */
  readonly unexpectedEndings: readonly string[];
  readonly inflicted: readonly Inflicted[];
  readonly writes: number;
}

/** Short, so that what is lost with a worker comes back while one looks on. */
const LOCK_MS = 5_000;
const DRAIN_MS = 5_000;
/** Jobs that have not ended are kept below this number, so that the API has work during the whole run. */
const OPEN_MAX = 80;
const SUBMIT_AT_ONCE = 20;
const LOOK_EVERY_MS = 250;
/** Without any job ending for this long, the run is over and what has not ended counts as lost. The sweeper needs two. */
const STALLED_AFTER_MS = 300_000;

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const random = seededRandom(options.seed);
  const home = await openHome(options.directory);
  const stack = await startStack({
    home,
    apiPort: 0,
    identityPort: 0,
    pools: new Map([[DEFAULT_POOL, options.workerCount]]),
    slots: 2 * availableParallelism(),
    lockMs: LOCK_MS,
    drainMs: DRAIN_MS,
    launcher: fileURLToPath(import.meta.resolve("./launcher.ts")),
    environment: process.env,
    onRestart: (name, how) => options.onProgress(`${name} ended (${how}); starting it again`),
    provision: (storage) => provisionStorage(connectStorage({ kind: "connection-string", storage })),
  });
  try {
    const facts = await disturb(stack, random, options);
    await stack.stop();
    const records = await readRecords(home.storage);
    const history = replay(records);
    return {
      jobs: facts.jobs,
      verdict: judge(history, facts),
      measures: measure(history, losses(facts.inflicted)),
      unexpectedEndings: unexpectedEndings(facts.jobs),
      inflicted: facts.inflicted,
      writes: records.length,
    };
  } finally {
    stack.kill();
    await home.release();
  }
}

interface Observed extends RunFacts {
  readonly jobs: readonly Job[];
  readonly inflicted: readonly Inflicted[];
}

/** From the first submit until every job has ended, or nothing moves any more. */
async function disturb(stack: Stack, random: SeededRandom, options: ChaosOptions): Promise<Observed> {
  const { jobCount, killCount, workerCount, onProgress } = options;
  const storage = connectStorage({ kind: "connection-string", storage: stack.storageConnectionString });
  await createPackageStore({ storage }).upload(TENANT, PACKAGE_NAME, chaosPackage());
  const store = createJobStore({ storage, writerId: "chaos" });
  const client = createChaosClient(stack.apiUrl, signInAs(ADMIN_APPLICATION, stack.issuer));
  const batchId = await client.createBatch(TENANT);
  const stored = await createBatchStore({ storage }).get(batchId);
  if (stored === undefined) throw new Error(`There is no batch ${batchId}.`);
  const batch = stored.value;

  const workers = Array.from({ length: workerCount }, (_, index) => `worker-${index + 1}`);
  const schedule = scheduleOf(random.fork(), { killCount, workers, lockMs: LOCK_MS });
  const injurer = createInjurer(stack.supervisor);
  const jobs = Array.from({ length: jobCount }, (_, index) => chaosJob(random, index));
  const accepted: string[] = [];
  let submitting: Promise<void> | undefined;
  let endedCount = 0;
  let movedAt = performance.now();

  for (;;) {
    const counts = await store.counts(batch);
    const open = openOf(counts);
    const ended = totalOf(counts) - open;
    if (ended !== endedCount) movedAt = performance.now();
    endedCount = ended;
    while (schedule[0] !== undefined && schedule[0].afterShare <= ended / jobCount) {
      const injury = schedule.shift()!;
      onProgress(`${ended} of ${jobCount} ended: ${describeInjury(injury)}`);
      injurer.inflict(injury);
    }
    if (submitting === undefined && accepted.length < jobCount && open < OPEN_MAX) {
      const next = jobs.slice(accepted.length, accepted.length + SUBMIT_AT_ONCE);
      submitting = client.submit(batchId, next).then((ids) => {
        accepted.push(...ids);
        submitting = undefined;
      });
    }
    if (accepted.length === jobCount && open === 0 && injurer.pending === 0) break;
    if (performance.now() - movedAt > STALLED_AFTER_MS) {
      onProgress(`nothing has ended for ${STALLED_AFTER_MS / 1_000} s; giving up`);
      break;
    }
    await pause(LOOK_EVERY_MS);
  }
  await injurer.done();
  return observe(store, batch, accepted, injurer.inflicted);
}

async function observe(
  store: JobStore,
  batch: Batch,
  accepted: readonly string[],
  inflicted: readonly Inflicted[],
): Promise<Observed> {
  const jobs: Job[] = [];
  let continuationToken: string | undefined;
  do {
    const page = await store.list(batch, { pageSize: PAGE_SIZE_MAX, continuationToken });
    jobs.push(...page.items);
    ({ continuationToken } = page);
  } while (continuationToken !== undefined);
  const found = new Map<string, { state: string; etag: string }>();
  for (const { jobId } of jobs) {
    const row = await store.get(jobId);
    if (row !== undefined) found.set(jobId, { state: row.value.state, etag: row.etag });
  }
  return { accepted, found, counts: await store.counts(batch), jobs, inflicted };
}

/** A worker that was killed, or paused for longer than its locks: its jobs had to come back without it. */
const losses = (inflicted: readonly Inflicted[]) =>
  inflicted.flatMap(({ at, program, injury }) =>
    program.startsWith("worker") && (injury.kind === "kill" || injury.pauseMs > LOCK_MS)
      ? [{ at, workerId: program }]
      : [],
  );

const unexpectedEndings = (jobs: readonly Job[]): string[] =>
  jobs.flatMap(({ jobId, jobType, state, failure }) =>
    state === expectedState(jobType) ? [] : [`${jobId} (${jobType}) ended as ${state} ${failure?.code ?? ""}`.trim()],
  );
