/** What the project wants to reach, as data: docs/performance.md shows each goal with what was measured. */
import { FLOOR, OPERATIONS } from "../figures.ts";

export interface Goal {
  readonly figure: string;
  /** Name of the figure of this system, without `ours: `. */
  readonly ours: string;
  /** Full name of the figure that it is divided by. Without one the figure itself is judged. */
  readonly against?: string;
  /** In words. */
  readonly wanted: string;
  readonly isReached: (value: number) => boolean;
}

const atLeast = (goal: number) => (value: number) => value >= goal;
const atMost = (goal: number) => (value: number) => value <= goal;
/** Of the floor's figures. */
const floor = (name: string): string => `floor: ${name}`;

export const GOALS: readonly Goal[] = [
  {
    figure: "`reuse` jobs that do nothing, 1 worker with 64 slots",
    ours: "reuse, 1 worker, 64 slots",
    against: "BullMQ sandboxed: jobs that do nothing, 1 worker, concurrency 4",
    wanted: "at least 0.7 × BullMQ's sandboxed processors",
    isReached: atLeast(0.7),
  },
  {
    figure: "`process` jobs that do nothing, 1 worker with 4 slots",
    ours: "process, 1 worker, 4 slots",
    against: floor(FLOOR.forkRate),
    wanted: "at least 0.8 × a bare fork per job",
    isReached: atLeast(0.8),
  },
  {
    figure: "idle: submit until user code runs, p50",
    ours: "reuse: submit until user code runs, p50",
    against: floor(FLOOR.userCode),
    wanted: "at most 1.25 × the bare calls",
    isReached: atMost(1.25),
  },
  {
    figure: "idle: submit until user code runs, p99",
    ours: "reuse: submit until user code runs, p99",
    against: "ours: reuse: submit until user code runs, p50",
    wanted: "at most 2 × its p50",
    isReached: atMost(2),
  },
  {
    figure: "idle: submit until the client knows by push, p50",
    ours: "reuse: submit until the client knows by push, p50",
    against: floor(FLOOR.clientKnows),
    wanted: "at most 1.3 × the bare calls",
    isReached: atMost(1.3),
  },
  {
    figure: "idle: submit until `waitForJob` returns, p50",
    ours: "reuse: submit until waitForJob returns, p50",
    against: floor(FLOOR.clientKnows),
    wanted: "at most 1.5 × the bare calls",
    isReached: atMost(1.5),
  },
  {
    figure: "submit in bulk, JSON",
    ours: "in bulk, JSON",
    against: floor(FLOOR.transactions),
    wanted: "at least 0.5 × bare transactions",
    isReached: atLeast(0.5),
  },
  {
    figure: "submit one by one, 32 in flight",
    ours: "one by one, 32 in flight",
    against: floor(FLOOR.inserts),
    wanted: "at least 0.4 × bare inserts",
    isReached: atLeast(0.4),
  },
  { figure: "table requests of a single job", ours: OPERATIONS.tables, wanted: "at most 4", isReached: atMost(4) },
  {
    figure: "table requests of a job on 64 slots",
    ours: OPERATIONS.crowdedTables,
    wanted: "at most 0.2",
    isReached: atMost(0.2),
  },
  {
    figure: "Service Bus operations of a single job, 1 API instance",
    ours: OPERATIONS.bus(1),
    wanted: "at most 6",
    isReached: atMost(6),
  },
  {
    figure: "Service Bus operations of a single job, 2 API instances",
    ours: OPERATIONS.bus(2),
    wanted: "at most 7",
    isReached: atMost(7),
  },
  {
    figure: "blob requests of a job without log and artifacts",
    ours: OPERATIONS.blobs,
    wanted: "0",
    isReached: atMost(0),
  },
  {
    figure: "messaging and tables of a million single jobs, in dollars",
    ours: OPERATIONS.dollars,
    wanted: "at most 4",
    isReached: atMost(4),
  },
  {
    figure: "kill -9 until all of 600 jobs have ended, in ms",
    ours: "reuse: kill until all 600 jobs have ended",
    wanted: "at most 10,000",
    isReached: atMost(10_000),
  },
  { figure: "jobs lost by the kill", ours: "reuse: jobs lost", wanted: "0", isReached: atMost(0) },
  { figure: "jobs finished twice after it", ours: "reuse: jobs finished twice", wanted: "0", isReached: atMost(0) },
  {
    figure: "counts of a batch of 100,000 jobs",
    ours: "100,000 rows: counts, p50",
    against: "ours: 1,000 rows: counts, p50",
    wanted: "at most 2 × those of 1,000 jobs",
    isReached: atMost(2),
  },
  {
    figure: "page of 100 of 100,000 jobs",
    ours: "100,000 rows: page of 100, p50",
    against: "ours: 1,000 rows: page of 100, p50",
    wanted: "at most 2 × that of 1,000 jobs",
    isReached: atMost(2),
  },
];
