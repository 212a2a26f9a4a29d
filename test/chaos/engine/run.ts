/**
 * One chaos run: starts the local stack behind the recorder and the network, disturbs it, reads the tables, and lets the
 * checker judge the history.
 */
import { appendFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectStorage, createBatchStore, createJobStore, provisionStorage } from "../../../runtime/azure/index.ts";
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
import { createChaosClient, expected } from "./client.ts";
import { createCommander } from "./commander.ts";
import { type Command, intentsOf } from "./commands.ts";
import { type ControlVerdict, judgeControls } from "./controls/checker.ts";
import { createPauser, type HeldPause, pausesOf } from "./controls/pauser.ts";
import { replayLines } from "./controls/replay-lines.ts";
import { controlled, limitedJobs, LIMITS, readNotes, TENANTS } from "./controls/workload.ts";
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
  /** Limits by key, pauses, and several tenants. */
  readonly controls: boolean;
  /** The folder for everything, including storage and logs. */
  readonly directory: string;
  readonly onProgress: (line: string) => void;
}

export interface ChaosResult {
  readonly jobs: readonly Job[];
  readonly verdict: Verdict & Partial<ControlVerdict>;
  readonly measures: Measures;
  /** Jobs with an end that neither their own code nor their callers explain. */
  readonly unexpectedEndings: readonly string[];
  readonly commands: readonly Command[];
  readonly inflicted: readonly Inflicted[];
  readonly networkFaults: readonly ScheduledFault[];
  /** Of tenants, job types, the pool and its queues. */
  readonly held: readonly HeldPause[];
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
    const controls = options.controls && {
      ...{ limits: LIMITS, pauses: facts.held, lines: replayLines(records) },
      notes: await readNotes(notesFile(options)),
    };
    return {
      jobs: facts.jobs,
      verdict: { ...judge(history, facts), ...(controls && judgeControls(history, controls, facts)) },
      measures: measure(history, losses(facts.inflicted)),
      unexpectedEndings: unexpectedEndings(facts.jobs, facts.commands),
      commands: facts.commands,
      inflicted: facts.inflicted,
      networkFaults: network.inflicted,
      held: facts.held,
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
  readonly held: readonly HeldPause[];
}

const notesFile = ({ directory }: ChaosOptions): string => join(directory, "notes.jsonl");

/** From the first submit until every job has ended, or nothing changes any more. */
async function carryOut(stack: Stack, network: Network, options: ChaosOptions): Promise<Observed> {
  const { seed, jobCount, killCount, faultCount, workerCount, controls, onProgress } = options;
  const storage = connectStorage({ kind: "connection-string", storage: stack.storageConnectionString });
  const store = createJobStore({ storage, writerId: "chaos" });
  const batchStore = createBatchStore({ storage });
  const client = createChaosClient(stack.apiUrl, signInAs(ADMIN_APPLICATION, stack.issuer));
  appendFileSync(notesFile(options), "");
  const tenants = controls ? TENANTS : [TENANT];
  const limited = { jobs: limitedJobs(notesFile(options)), limits: LIMITS, isolation: "reuse" } as const;
  const zip = chaosPackage(controls ? limited : undefined);
  for (const tenantName of tenants) {
    expected(await client.request("PUT", `/tenants/${tenantName}`));
    expected(await client.request("PUT", `/tenants/${tenantName}/packages/${PACKAGE_NAME}`, zip));
  }

  const random = seededRandom(seed);
  const workers = Array.from({ length: workerCount }, (_, index) => `worker-${index + 1}`);
  const plan = {
    jobCount,
    injuries: scheduleOf(random.fork(), { killCount, workers, lockMs: LOCK_MS, withPauses: !controls }),
    faults: faultsOf(random.fork(), { faultCount, workers, lockMs: LOCK_MS }),
    intents: intentsOf(random.fork(), jobCount),
    pauses: controls ? pausesOf(random.fork(), jobCount) : [],
  };
  const jobsRandom = random.fork();
  const jobs = Array.from({ length: jobCount }, (_, index) => {
    const job = chaosJob(jobsRandom, index);
    return controls ? controlled(jobsRandom, job) : job;
  });
  const victimAt = random.fork();
  const victims = Array.from(
    { length: BATCHES / BATCHES_PER_VICTIM },
    (_, index) => index * BATCHES_PER_VICTIM + Math.floor(BATCHES_PER_VICTIM * victimAt.next()),
  );

  const commander = createCommander({ client, store, random: random.fork(), batches: () => feeder.batches });
  const feeder = createFeeder({
    ...{ client, commander, batchStore, tenants, jobs },
    batchSize: Math.ceil(jobCount / BATCHES),
    victims: new Set(victims),
  });
  const injurer = createInjurer(stack.supervisor);
  const pauser = createPauser(client);
  await disturb({ store, batchStore, feeder, commander, injurer, network, pauser, onProgress }, plan);
  const endedAt = Date.now();
  const { accepted, batches } = feeder;
  const { commands } = commander;
  const { held } = pauser;
  return { ...(await observe(store, batches)), accepted, commands, inflicted: injurer.inflicted, held, endedAt };
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
