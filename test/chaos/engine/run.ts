/**
 * One chaos run: starts the local stack behind the recorder and the network, disturbs it, reads the tables, and lets the
 * checker judge the history.
 */
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import {
  connectStorage,
  createBatchStore,
  createJobStore,
  createPackageStore,
  provisionStorage,
} from "../../../runtime/azure/index.ts";
import type { Batch, Job } from "../../../runtime/core/job/job.ts";
import { PAGE_SIZE_MAX } from "../../../runtime/core/limits.ts";
import type { JobStore } from "../../../runtime/core/ports/job-store.ts";
import { DEFAULT_POOL } from "../../../runtime/core/deployment/topology.ts";
import { openHome } from "../../../runtime/local/home.ts";
import { ADMIN_APPLICATION } from "../../../runtime/local/identity/principals.ts";
import { signInAs } from "../../../runtime/local/identity/issuer-client.ts";
import { startStack, type Stack } from "../../../runtime/local/stack.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { judge, type Verdict } from "./checker.ts";
import { createChaosClient } from "./client.ts";
import { createCommander } from "./commander.ts";
import { type Command, intentsOf } from "./commands.ts";
import { disturb } from "./disturb.ts";
import { createFeeder } from "./feeder.ts";
import { createInjurer, type Inflicted } from "./injurer.ts";
import { measure, type Measures } from "./measures.ts";
import { type Network, startNetwork } from "./network.ts";
import { faultsOf, type ScheduledFault } from "./network-faults.ts";
import { readRecords } from "./record-file.ts";
import { replay } from "./replay.ts";
import { names, type RunFacts } from "./run-facts.ts";
import { scheduleOf } from "./schedule.ts";
import { chaosJob, chaosPackage, expectedEnding, PACKAGE_NAME, TENANT } from "./workload.ts";

export interface ChaosOptions {
  readonly seed: number;
  readonly jobCount: number;
  readonly killCount: number;
  readonly faultCount: number;
  readonly workerCount: number;
  /** The folder for everything, including storage and logs. */
  readonly directory: string;
  readonly onProgress: (line: string) => void;
}

export interface ChaosResult {
  readonly jobs: readonly Job[];
  readonly verdict: Verdict;
  readonly measures: Measures;
  /** Jobs with an end that neither their own code nor their callers explain. */
  readonly unexpectedEndings: readonly string[];
  readonly commands: readonly Command[];
  readonly inflicted: readonly Inflicted[];
  readonly networkFaults: readonly ScheduledFault[];
  readonly writes: number;
}

/** Short, so that a worker's jobs return during the run. */
const LOCK_MS = 5_000;
const DRAIN_MS = 5_000;
const BATCHES = 8;
/** One batch of this many is canceled. */
const BATCHES_PER_VICTIM = 4;

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const home = await openHome(options.directory);
  await using network = await startNetwork(home.directory);
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
    const facts = await carryOut(stack, network, options);
    await stack.stop();
    const records = await readRecords(home.storage);
    const history = replay(records);
    return {
      jobs: facts.jobs,
      verdict: judge(history, facts),
      measures: measure(history, losses(facts.inflicted)),
      unexpectedEndings: unexpectedEndings(facts.jobs, facts.commands),
      commands: facts.commands,
      inflicted: facts.inflicted,
      networkFaults: network.inflicted,
      writes: records.length,
    };
  } finally {
    stack.kill();
    home.release();
  }
}

interface Observed extends RunFacts {
  readonly jobs: readonly Job[];
  readonly inflicted: readonly Inflicted[];
}

/** From the first submit until every job has ended, or nothing changes any more. */
async function carryOut(stack: Stack, network: Network, options: ChaosOptions): Promise<Observed> {
  const { seed, jobCount, killCount, faultCount, workerCount, onProgress } = options;
  const storage = connectStorage({ kind: "connection-string", storage: stack.storageConnectionString });
  await createPackageStore({ storage }).upload(TENANT, PACKAGE_NAME, chaosPackage());
  const store = createJobStore({ storage, writerId: "chaos" });
  const batchStore = createBatchStore({ storage });
  const client = createChaosClient(stack.apiUrl, signInAs(ADMIN_APPLICATION, stack.issuer));

  const random = seededRandom(seed);
  const workers = Array.from({ length: workerCount }, (_, index) => `worker-${index + 1}`);
  const plan = {
    jobCount,
    injuries: scheduleOf(random.fork(), { killCount, workers, lockMs: LOCK_MS }),
    faults: faultsOf(random.fork(), { faultCount, workers, lockMs: LOCK_MS }),
    intents: intentsOf(random.fork(), jobCount),
  };
  const jobsRandom = random.fork();
  const jobs = Array.from({ length: jobCount }, (_, index) => chaosJob(jobsRandom, index));
  const victimAt = random.fork();
  const victims = Array.from(
    { length: BATCHES / BATCHES_PER_VICTIM },
    (_, index) => index * BATCHES_PER_VICTIM + Math.floor(BATCHES_PER_VICTIM * victimAt.next()),
  );

  const commander = createCommander({ client, store, random: random.fork(), batches: () => feeder.batches });
  const feeder = createFeeder({
    ...{ client, commander, batchStore, tenantName: TENANT, jobs },
    batchSize: Math.ceil(jobCount / BATCHES),
    victims: new Set(victims),
  });
  const injurer = createInjurer(stack.supervisor);
  await disturb({ store, batchStore, feeder, commander, injurer, network, onProgress }, plan);
  const { accepted, batches } = feeder;
  const { commands } = commander;
  return { ...(await observe(store, batches)), accepted, commands, inflicted: injurer.inflicted };
}

async function observe(
  store: JobStore,
  batches: readonly Batch[],
): Promise<Pick<Observed, "jobs" | "found" | "counts">> {
  const jobs: Job[] = [];
  const found = new Map<string, { state: string; etag: string }>();
  const counts = new Map<string, Readonly<Record<string, number>>>();
  for (const batch of batches) {
    let continuationToken: string | undefined;
    do {
      const page = await store.list(batch, { pageSize: PAGE_SIZE_MAX, continuationToken });
      jobs.push(...page.items);
      ({ continuationToken } = page);
    } while (continuationToken !== undefined);
    counts.set(batch.batchId, await store.counts(batch));
  }
  for (const { jobId } of jobs) {
    const row = await store.get(jobId);
    if (row !== undefined) found.set(jobId, { state: row.value.state, etag: row.etag });
  }
  return { jobs, found, counts };
}

/** A worker that was killed, or paused for longer than its locks. Its jobs had to run elsewhere. */
const losses = (inflicted: readonly Inflicted[]) =>
  inflicted.flatMap(({ at, program, injury }) =>
    program.startsWith("worker") && (injury.kind === "kill" || injury.pauseMs > LOCK_MS)
      ? [{ at, workerId: program }]
      : [],
  );

/** A requested cancel allows a job to end as canceled. It does not require it, because the job may be faster. */
const unexpectedEndings = (jobs: readonly Job[], commands: readonly Command[]): string[] =>
  jobs.flatMap(({ jobId, jobType, state, failure }) => {
    const { state: usual, code } = expectedEnding(jobType);
    if (state === usual && failure?.code === code) return [];
    if (state === "canceled" && commands.some((command) => command.kind === "cancel" && names(command, jobId)))
      return [];
    return [`${jobId} (${jobType}) ended as ${state} ${failure?.code ?? ""}`.trim()];
  });
