/** The states of a job and the only ways between them. */
import { InvariantError } from "../errors.ts";

export const JOB_STATES = ["queued", "running", "succeeded", "failed", "canceled"] as const;

export type JobState = (typeof JOB_STATES)[number];

export const TERMINAL_STATES = ["succeeded", "failed", "canceled"] as const satisfies readonly JobState[];

export type TerminalState = (typeof TERMINAL_STATES)[number];

/**
 * `running → running` is a takeover or progress under a new or the same claim; `running → queued` a retry, drain or
 * sweep; `queued → failed` a job whose dead-lettered message shows that it kills every worker; terminal → `queued` a
 * requeue. A terminal state never becomes another one.
 */
const TRANSITIONS: Readonly<Record<JobState, readonly JobState[]>> = {
  queued: ["running", "canceled", "failed", "queued"],
  running: ["running", "succeeded", "failed", "canceled", "queued"],
  succeeded: ["queued"],
  failed: ["queued"],
  canceled: ["queued"],
};

export const isTerminal = (state: JobState): state is TerminalState =>
  (TERMINAL_STATES as readonly JobState[]).includes(state);

export const isTransitionAllowed = (from: JobState, to: JobState): boolean => TRANSITIONS[from].includes(to);

/** Throws InvariantError unless a job may go from one state to the other. */
export function assertTransition(from: JobState, to: JobState): void {
  if (!isTransitionAllowed(from, to)) throw new InvariantError(`A job cannot go from ${from} to ${to}.`);
}

/** As `assertTransition`, for a write of these fields. Tags say nothing about the work, so they can change in any state. */
export function assertChange(from: JobState, to: JobState, changes: object): void {
  const isTagging = from === to && Object.keys(changes).every((name) => name === "tags");
  if (!isTagging) assertTransition(from, to);
}

/** Jobs per state; the counters of a batch, or the signed share of one writer in them. */
export type StateCounts = Readonly<Record<JobState, number>>;

export const NO_COUNTS: StateCounts = { queued: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 };

export const addCounts = (a: StateCounts, b: StateCounts): StateCounts => ({
  queued: a.queued + b.queued,
  running: a.running + b.running,
  succeeded: a.succeeded + b.succeeded,
  failed: a.failed + b.failed,
  canceled: a.canceled + b.canceled,
});

/** What a move from one state to another adds to the counters; `undefined` as origin: the job is new. */
export function countChange(from: JobState | undefined, to: JobState): StateCounts {
  if (from === to) return NO_COUNTS;
  const change = { ...NO_COUNTS, [to]: 1 };
  if (from !== undefined) change[from] = -1;
  return change;
}

/** The number of all jobs in the counts. */
export const totalOf = (counts: StateCounts): number => JOB_STATES.reduce((sum, state) => sum + counts[state], 0);

/** The number of jobs that have not ended. */
export const openOf = (counts: StateCounts): number => counts.queued + counts.running;
