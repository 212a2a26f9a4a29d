/** The state of the batch model. Sets of jobs and of partitions are bits. */
import { Bytes, count, flag, listOf, oneOf, packer } from "../packing.ts";

export interface MemberJob {
  state: "queued" | "running" | "ended";
  /** The row has a note that the claim must reopen the batch first. */
  reopen: boolean;
  /** Its receiver has reopened the batch and is about to claim. */
  reopened: boolean;
  /** Its message is settled only after a check whether the batch is complete. */
  ask: "none" | "due" | "asking";
  /** How often the API has yet to reopen the batch for it. */
  owed: number;
}

export interface BatchRow {
  generation: number;
  completedGeneration: number;
}

export type AskerPhase = "idle" | "read" | "sum" | "sum again" | "write";

export interface Asker {
  phase: AskerPhase;
  /** The job after which it checks. */
  job: number;
  /** The next partition to sum. */
  partition: number;
  /** The batch row has not changed since it was read. */
  fresh: boolean;
  /** Partitions written between the two sums, and partitions with an open job in the last sum. */
  moved: number;
  open: number;
  /** Not part of the system: at some moment since it read the batch row, all jobs had ended. */
  restSeen: boolean;
}

export const BATCH_FAULTS = ["crash", "requeue", "lost reopen", "cancel without check", "lost lock"] as const;
export type BatchFault = (typeof BATCH_FAULTS)[number];

export interface BatchState {
  jobs: MemberJob[];
  batch: BatchRow;
  askers: Asker[];
  budget: Record<BatchFault, number>;
}

export const IDLE: Asker = {
  phase: "idle",
  job: 0,
  partition: 0,
  fresh: false,
  moved: 0,
  open: 0,
  restSeen: false,
};

const PHASES = ["idle", "read", "sum", "sum again", "write"] as const satisfies readonly AskerPhase[];

const jobs = listOf(
  packer<MemberJob>({
    state: oneOf("queued", "running", "ended"),
    reopen: flag,
    reopened: flag,
    ask: oneOf("none", "due", "asking"),
    owed: count,
  }),
);
const batchRow = packer<BatchRow>({ generation: count, completedGeneration: count });
const askers = listOf(
  packer<Asker>({
    phase: oneOf(...PHASES),
    job: count,
    partition: count,
    fresh: flag,
    moved: count,
    open: count,
    restSeen: flag,
  }),
);
const budget = packer<Record<BatchFault, number>>({
  crash: count,
  requeue: count,
  "lost reopen": count,
  "cancel without check": count,
  "lost lock": count,
});

const bytes = new Bytes();

/** Askers are interchangeable. */
export function packBatch(state: BatchState): string {
  state.askers.sort((a, b) => sortKey(a) - sortKey(b));
  bytes.start();
  jobs.write(bytes, state.jobs);
  batchRow.write(bytes, state.batch);
  askers.write(bytes, state.askers);
  budget.write(bytes, state.budget);
  return bytes.text();
}

export function unpackBatch(text: string): BatchState {
  bytes.load(text);
  return {
    jobs: jobs.read(bytes),
    batch: batchRow.read(bytes),
    askers: askers.read(bytes),
    budget: budget.read(bytes),
  };
}

export const copyBatch = (state: BatchState): BatchState => ({
  jobs: state.jobs.map((job) => ({ ...job })),
  batch: { ...state.batch },
  askers: state.askers.map((asker) => ({ ...asker })),
  budget: { ...state.budget },
});

const sortKey = ({ phase, job, partition, fresh, moved, open, restSeen }: Asker): number =>
  [PHASES.indexOf(phase), job, partition, Number(fresh), moved, open, Number(restSeen)].reduce(
    (key, digit) => key * 8 + digit,
    0,
  );
