/**
 * The completion of a batch (R12, R13): two jobs in two partitions, workers that end them and then check completion, a
 * sweeper that checks otherwise, and requeues that reopen the batch. runtime/core decides when a batch is complete.
 *
 * Versions are compared only for equality: a holder's bit means that the row has not been written since it was read.
 */
import {
  completedChanges,
  isUndecided,
  provesCompletion,
  reopenedChanges,
} from "../../../runtime/core/job/completion.ts";
import type { CounterSnapshot } from "../../../runtime/core/ports/job-store.ts";
import { NO_COUNTS } from "../../../runtime/core/job/states.ts";
import { type Model, must, type Steps } from "../search.ts";
import {
  type Asker,
  type AskerPhase,
  type BatchFault,
  type BatchState,
  copyBatch,
  IDLE,
  type MemberJob,
  packBatch,
  unpackBatch,
} from "./state.ts";

export interface BatchRules {
  /** R12: counters are summed twice, and nothing may have been written in between. */
  readonly sumsTwice: boolean;
  /** R12: a redelivered message of an ended job checks completion again. */
  readonly redeliveryAsks: boolean;
  readonly sweeperAsks: boolean;
  /** R12: a job that ended leaves the question only to one that has not asked yet. */
  readonly leavesToOpenOnly: boolean;
  /** R13: a requeue writes the batch row, even if it is open. */
  readonly requeueAlwaysWrites: boolean;
  /** R13: the receiver reopens the batch before it claims. */
  readonly receiverReopens: boolean;
}

const RULES: BatchRules = {
  sumsTwice: true,
  redeliveryAsks: true,
  sweeperAsks: true,
  leavesToOpenOnly: true,
  requeueAlwaysWrites: true,
  receiverReopens: true,
};

const JOBS = 2;
const NOW = new Date(0);

export function batchModel(
  faults: Partial<Readonly<Record<BatchFault, number>>>,
  given: Partial<BatchRules> = {},
): Model<BatchState> {
  const rules = { ...RULES, ...given };
  return {
    copy: copyBatch,
    pack: packBatch,
    unpack: unpackBatch,
    initial: () => ({
      jobs: Array.from({ length: JOBS }, () => ({
        ...{ state: "queued", reopen: false, reopened: false, ask: "none", owed: 0 },
      })),
      batch: { generation: 1, completedGeneration: 0 },
      askers: [{ ...IDLE }, { ...IDLE }],
      budget: { crash: 0, requeue: 0, "lost reopen": 0, "cancel without check": 0, "lost lock": 0, ...faults },
    }),
    steps(state, steps) {
      const paid = payingFor(state, steps);
      for (const job of state.jobs.keys()) jobSteps(state, paid, job, rules);
      apiSteps(state, paid, rules);
      for (const index of state.askers.keys()) askerSteps(state, paid, index, rules);
    },
    check({ batch, jobs }) {
      const isComplete = batch.completedGeneration === batch.generation;
      must(
        !isComplete || jobs.every((job) => job.state === "ended" || job.reopen),
        "I5: the batch is complete, one of its jobs is not, and no step will reopen it",
      );
    },
    isDone: ({ jobs, batch, askers }) =>
      jobs.every(({ state, ask, owed }) => state === "ended" && ask === "none" && owed === 0) &&
      !isUndecided({ ...batch, state: "closed" }) &&
      askers.every(({ phase }) => phase === "idle"),
    describe: ({ jobs, batch }) =>
      `${jobs.map(({ state, reopen }) => `${state}${reopen ? ", to reopen" : ""}`).join(" and ")}; ` +
      `generation ${batch.generation}, completed ${batch.completedGeneration}`,
  };
}

interface PaidSteps {
  take: Steps<BatchState>["take"];
  fault(fault: BatchFault, label: string, change: (next: BatchState) => void): void;
}

const payingFor = (state: BatchState, steps: Steps<BatchState>): PaidSteps => ({
  take: (label, change) => steps.take(label, change),
  fault(fault, label, change) {
    if (state.budget[fault] === 0) return;
    steps.fault(label, (next) => {
      next.budget[fault] -= 1;
      change(next);
    });
  },
});

const allEnded = ({ jobs }: BatchState): boolean => jobs.every(({ state }) => state === "ended");

/** A job's row and its partition's counter are written together. */
function writeJob(state: BatchState, job: number, changes: Partial<MemberJob>): void {
  const counted = changes.state !== undefined && changes.state !== state.jobs[job]!.state;
  Object.assign(state.jobs[job]!, changes);
  for (const asker of state.askers) {
    if (counted && isBetweenSums(asker, job)) asker.moved |= bit(job);
    if (asker.phase !== "idle" && allEnded(state)) asker.restSeen = true;
  }
}

const bit = (partition: number): number => 1 << partition;

/** The partition has been summed once. */
const isBetweenSums = ({ phase, partition }: Asker, of: number): boolean =>
  (phase === "sum" && of < partition) || (phase === "sum again" && of >= partition);

function reopenBatch(state: BatchState, rules: BatchRules): void {
  const changes = reopenedChanges(state.batch);
  if (!rules.requeueAlwaysWrites && changes.generation === state.batch.generation) return;
  state.batch.generation = changes.generation;
  for (const asker of state.askers) asker.fresh = false;
}

function jobSteps(state: BatchState, steps: PaidSteps, index: number, rules: BatchRules): void {
  const job = state.jobs[index]!;
  const name = `job ${index + 1}`;
  if (job.state === "queued") {
    if (job.reopen && !job.reopened && rules.receiverReopens) {
      steps.take(`the receiver of ${name} reopens the batch`, (next) => {
        reopenBatch(next, rules);
        next.jobs[index]!.reopened = true;
      });
    } else {
      steps.take(`${name} is claimed`, (next) => {
        writeJob(next, index, { state: "running", reopen: false, reopened: false });
      });
    }
    if (job.reopened) {
      steps.fault("crash", `the receiver of ${name} dies`, (next) => (next.jobs[index]!.reopened = false));
    }
    steps.fault("cancel without check", `${name} is canceled, its bell is lost`, (next) => {
      writeJob(next, index, { state: "ended", reopened: false });
    });
  }
  if (job.state === "running") {
    steps.take(`${name} ends`, (next) => writeJob(next, index, { state: "ended", ask: "due" }));
    const leave = (next: BatchState): void => writeJob(next, index, { state: "ended" });
    // R12: of two jobs that run in one process, the second to end asks for both.
    const asksLater = state.jobs.some(
      ({ state: of, ask }, other) => other !== index && (of === "running" || ask === "due"),
    );
    if (asksLater || !rules.leavesToOpenOnly) steps.take(`${name} ends and leaves the question to the other`, leave);
    // The process does not know yet that another one has the other job's message, and has asked.
    else steps.fault("lost lock", `${name} ends and leaves the question to one that was taken over`, leave);
  }
  if (job.state === "ended") {
    steps.fault("requeue", `a caller requeues ${name}`, (next) => {
      writeJob(next, index, { state: "queued", reopen: true });
      next.jobs[index]!.owed += 1;
    });
  }
}

function apiSteps(state: BatchState, steps: PaidSteps, rules: BatchRules): void {
  state.jobs.forEach(({ owed }, job) => {
    if (owed === 0) return;
    steps.take(`the api reopens the batch for job ${job + 1}`, (next) => {
      next.jobs[job]!.owed -= 1;
      reopenBatch(next, rules);
    });
    steps.fault("lost reopen", "the api dies before it reopens the batch", (next) => (next.jobs[job]!.owed -= 1));
  });
  const noCheckPending =
    state.jobs.every(({ ask }) => ask === "none") && state.askers.every(({ phase }) => phase === "idle");
  if (rules.sweeperAsks && noCheckPending && allEnded(state) && isUndecided({ ...state.batch, state: "closed" })) {
    steps.take(
      "the sweeper finds a batch with only ended jobs, and checks completion",
      (next) => (next.jobs[0]!.ask = "due"),
    );
  }
}

function askerSteps(state: BatchState, steps: PaidSteps, index: number, rules: BatchRules): void {
  const asker = state.askers[index]!;
  const name = `check ${index + 1}`;
  const take = (label: string, change: (next: BatchState, same: Asker) => void): void =>
    steps.take(`${name} ${label}`, (next) => change(next, next.askers[index]!));
  const finish = (next: BatchState, same: Asker): void => {
    const { job } = same;
    if (next.jobs[job]!.ask === "asking") next.jobs[job]!.ask = "none";
    Object.assign(same, IDLE);
  };
  if (asker.phase !== "idle") {
    steps.fault("crash", `${name} dies`, (next) => {
      const asked = next.jobs[next.askers[index]!.job]!;
      if (asked.ask === "asking") asked.ask = rules.redeliveryAsks ? "due" : "none";
      Object.assign(next.askers[index]!, IDLE);
    });
  }
  switch (asker.phase) {
    case "idle":
      state.jobs.forEach(({ ask }, job) => {
        if (ask !== "due") return;
        take(`starts after job ${job + 1}`, (next, same) => {
          next.jobs[job]!.ask = "asking";
          Object.assign(same, { phase: "read", job });
        });
      });
      return;
    case "read":
      take("reads the batch row", (next, same) => {
        if (!isUndecided({ ...next.batch, state: "closed" })) {
          finish(next, same);
          return;
        }
        Object.assign(same, { phase: "sum", partition: 0, fresh: true, restSeen: allEnded(next) });
      });
      return;
    case "sum":
      take(`sums partition ${asker.partition + 1}`, (next, same) => {
        sumPartition(next, same);
        advance(same, rules.sumsTwice ? "sum again" : "write");
        // The worker that ends the open job checks again.
        if (same.phase !== "sum" && openPartitions(same) > 0) finish(next, same);
      });
      return;
    case "sum again":
      take(`sums partition ${asker.partition + 1} again`, (next, same) => {
        sumPartition(next, same);
        advance(same, "write");
        if (same.phase === "write" && !isProven(same)) startAgain(same);
      });
      return;
    case "write":
      take(asker.fresh ? "writes: complete" : "writes: refused", (next, same) => {
        if (!same.fresh) {
          startAgain(same);
          return;
        }
        must(same.restSeen, "I5: the batch is completed, but at no moment had all its jobs ended");
        must(isUndecided({ ...next.batch, state: "closed" }), "I5: one generation is completed twice");
        next.batch.completedGeneration = completedChanges(
          { ...next.batch, state: "closed", unannounced: [] },
          NO_COUNTS,
          NOW,
        ).completedGeneration;
        for (const other of next.askers) other.fresh = false;
        finish(next, same);
      });
      return;
  }
}

/** The next partition, or the next phase after the last. */
function advance(asker: Asker, phase: AskerPhase): void {
  asker.partition += 1;
  if (asker.partition < JOBS) return;
  asker.partition = 0;
  asker.phase = phase;
}

function startAgain(asker: Asker): void {
  Object.assign(asker, IDLE, { phase: "read", job: asker.job });
}

function sumPartition(state: BatchState, asker: Asker): void {
  const mask = bit(asker.partition);
  asker.open = state.jobs[asker.partition]!.state === "ended" ? asker.open & ~mask : asker.open | mask;
}

const openPartitions = ({ open }: Asker): number => (open & 1) + (open >> 1);

function isProven(asker: Asker): boolean {
  const running = openPartitions(asker);
  const snapshot = (version: number): Pick<CounterSnapshot, "counts" | "version"> => ({
    counts: { ...NO_COUNTS, running, succeeded: JOBS - running },
    version: String(version),
  });
  return provesCompletion(snapshot(0), snapshot(asker.moved));
}
