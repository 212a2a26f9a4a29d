/** What is done to the system in one run, and how each of its jobs may end. */
import { isTerminal, type TerminalState } from "../../../runtime/core/job/states.ts";
import type { FaultLab } from "./fault-lab.ts";

/** How jobs may end: the state, and the attempts it may take. */
export interface Ends {
  readonly states: readonly TerminalState[];
  readonly attempts: readonly number[];
}

export interface Scenario {
  readonly name: string;
  /** Resolves when all that was accepted has ended. */
  run(lab: FaultLab): Promise<void>;
  /** By job type. */
  readonly ends: Readonly<Record<string, Ends>>;
}

const succeeded: Ends = { states: ["succeeded"], attempts: [0] };
const succeededAt = (attempt: number): Ends => ({ states: ["succeeded"], attempts: [attempt - 1] });
const failedAt = (attempt: number): Ends => ({ states: ["failed"], attempts: [attempt] });
const canceled: Ends = { states: ["canceled"], attempts: [0] };

/** More than a row takes: the parameters lie in a blob. */
const LARGE = "x".repeat(13_000);
const QUICK_RETRY = { initialDelayMs: 20, jitter: 0 };
/** A fault may cost a lock, a heartbeat that reads a cancel, and a few seconds; a busy machine, many more. */
export const wholeWaitMs = (lockMs: number): number => lockMs * 3 + 5_000 + 40_000;

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "a job with progress, output, artifact and large parameters",
    ends: { Work: succeeded },
    async run(lab) {
      await runOne(lab, "Work", { parameters: LARGE });
    },
  },
  {
    name: "a job that fails and succeeds at the next attempt",
    ends: { FailOnce: succeededAt(2) },
    async run(lab) {
      await runOne(lab, "FailOnce");
    },
  },
  {
    name: "a job that fails until its attempts are exhausted",
    ends: { Fails: failedAt(2) },
    async run(lab) {
      await runOne(lab, "Fails", { retry: { ...QUICK_RETRY, maxAttempts: 2 } });
    },
  },
  {
    name: "a cancel while the job runs",
    ends: { Waits: canceled },
    async run(lab) {
      await lab.startWorker("worker");
      const batchId = await openBatch(lab);
      const jobId = await submit(lab, batchId, "Waits");
      await running(lab, jobId);
      await lab.post(`/v1/jobs/${jobId}/cancel`);
      await close(lab, batchId);
      await ended(lab, [jobId]);
    },
  },
  {
    name: "a cancel before the job starts",
    ends: { Work: canceled },
    async run(lab) {
      const batchId = await openBatch(lab);
      const jobId = await submit(lab, batchId, "Work");
      await close(lab, batchId);
      await lab.post(`/v1/batches/${batchId}/cancel`);
      await lab.startWorker("worker");
      await ended(lab, [jobId]);
    },
  },
  {
    name: "a job beyond its time limit",
    ends: { Hangs: failedAt(1) },
    async run(lab) {
      await runOne(lab, "Hangs", { timeoutMs: 1_000, retry: { maxAttempts: 1 } });
    },
  },
  {
    name: "a worker that drains",
    ends: { Interrupted: succeeded },
    async run(lab) {
      const { first, jobId } = await interruptible(lab);
      await Promise.all([first.drain(0), lab.startWorker("second")]);
      await ended(lab, [jobId]);
    },
  },
  {
    name: "a worker that is cut off, and another that takes over",
    ends: { Interrupted: succeeded },
    async run(lab) {
      const { first, jobId } = await interruptible(lab);
      await lab.startWorker("second");
      first.cutOff();
      await ended(lab, [jobId]);
    },
  },
  {
    name: "a worker that dies and starts again on the same machine",
    ends: { Interrupted: succeeded },
    async run(lab) {
      const { first, jobId } = await interruptible(lab);
      await first.die();
      await lab.startWorker("again", { after: "first" });
      await ended(lab, [jobId]);
    },
  },
  {
    name: "a completed batch of which a failed job is requeued",
    ends: { Quick: succeeded, Mendable: { states: ["succeeded"], attempts: [0] } },
    async run(lab) {
      await lab.startWorker("worker");
      const batchId = await openBatch(lab);
      const quick = await submit(lab, batchId, "Quick");
      const broken = await submit(lab, batchId, "Mendable");
      await ended(lab, [quick, broken]);
      await close(lab, batchId);
      await lab.sweepOrphans();
      await completed(lab, batchId);
      lab.mend();
      const { ring } = lab.record.job(broken);
      await lab.post(`/v1/jobs/${broken}/requeue`);
      await lab.record.until("the requeue", () => lab.record.job(broken).ring > ring, wholeWaitMs(lab.services.lockMs));
      await ended(lab, [quick, broken]);
    },
  },
  {
    name: "many jobs in one request, of all sorts",
    ends: { Work: succeeded, Quick: succeeded, FailOnce: succeededAt(2), Fails: failedAt(2) },
    async run(lab) {
      await lab.startWorker("worker", { slots: 3 });
      const batchId = await openBatch(lab);
      const jobIds = await submitMany(lab, batchId, ["Quick", "Work", "FailOnce", "Fails", "Quick", "Work"]);
      await close(lab, batchId);
      await ended(lab, jobIds);
    },
  },
];

/** One job by itself in its batch, from submit to end. */
async function runOne(lab: FaultLab, jobType: string, fields: object = {}): Promise<void> {
  await lab.startWorker("worker");
  const batchId = await openBatch(lab);
  const jobId = await submit(lab, batchId, jobType, fields);
  await close(lab, batchId);
  await ended(lab, [jobId]);
}

/** A worker in the middle of a job that another may finish. */
async function interruptible(lab: FaultLab) {
  const first = await lab.startWorker("first");
  const batchId = await openBatch(lab);
  const jobId = await submit(lab, batchId, "Interrupted");
  await close(lab, batchId);
  await running(lab, jobId);
  return { first, jobId };
}

async function openBatch({ post, services: { tenantName, pool } }: FaultLab): Promise<string> {
  const { status, body } = await post("/v1/batches", { tenantName, batchName: "faults", pool });
  return idIn(status, 201, body["batchId"]);
}

const requestOf = ({ services: { tenantName } }: FaultLab, jobType: string, fields: object): object => ({
  tenantName,
  jobType,
  jobName: jobType,
  jobProcessorPackageName: "test.zip",
  // What the API reads to refuse a job is no part of its run.
  publishLater: true,
  retry: { ...QUICK_RETRY, maxAttempts: 2 },
  ...fields,
});

async function submit(lab: FaultLab, batchId: string, jobType: string, fields: object = {}): Promise<string> {
  const { status, body } = await lab.post("/v1/jobs", { ...requestOf(lab, jobType, fields), batchId });
  const jobId = idIn(status, 201, body["jobId"]);
  lab.accepted.add(jobId);
  return jobId;
}

async function submitMany(lab: FaultLab, batchId: string, jobTypes: readonly string[]): Promise<readonly string[]> {
  const jobs = jobTypes.map((jobType) => requestOf(lab, jobType, {}));
  const { status, body } = await lab.post("/v1/jobs/bulk", { batchId, jobs });
  const results = body["results"] as readonly { readonly jobId: unknown }[];
  const jobIds = results.map(({ jobId }) => idIn(status, 200, jobId));
  for (const jobId of jobIds) lab.accepted.add(jobId);
  return jobIds;
}

function idIn(status: number, expected: number, id: unknown): string {
  if (status === expected && typeof id === "string") return id;
  throw new Error(`The API answered ${status} with ${String(id)}.`);
}

const close = async (lab: FaultLab, batchId: string): Promise<void> => {
  const { status } = await lab.post(`/v1/batches/${batchId}/close`);
  if (status !== 200) throw new Error(`Closing answered ${status}.`);
};

const ended = (lab: FaultLab, jobIds: readonly string[]): Promise<void> =>
  until(lab, `${jobIds.join()} ended`, () => jobIds.every((jobId) => isTerminal(lab.record.job(jobId).state)));

const completed = (lab: FaultLab, batchId: string): Promise<void> =>
  until(lab, `batch ${batchId} is complete`, () => {
    const { generation, completedGeneration } = lab.record.batch(batchId);
    return completedGeneration === generation;
  });

/** Some execution of it is going on; or the fault has ended it before it could start. */
const running = (lab: FaultLab, jobId: string): Promise<void> =>
  until(
    lab,
    `${jobId} runs`,
    () =>
      isTerminal(lab.record.job(jobId).state) ||
      lab.record.executions.some((one) => one.jobId === jobId && one.endedAt === undefined),
  );

const until = (lab: FaultLab, what: string, condition: () => boolean): Promise<void> =>
  lab.record.until(what, condition, wholeWaitMs(lab.services.lockMs));
