/** The facts of a run of timers for the checker: rows, changes of rows, and the notes of the jobs themselves. */
import type { Misfire, Overlap } from "../../../runtime/core/package/manifest.ts";

/** All times are in ms since the epoch. */
export interface WatchedTimer {
  readonly name: string;
  /** Ticks are the multiples of it, counted from TICK_EPOCH. */
  readonly periodMs: number;
  readonly overlap: Overlap;
  readonly misfire: Misfire;
  /** Its runs end only when they run out of time. */
  readonly hangs: boolean;
  /** Ticks up to here do not count. */
  readonly activeFrom: number;
  readonly run: WatchedRun;
  readonly jobs: readonly WatchedJob[];
}

/** The timer's row at the end. */
export interface WatchedRun {
  readonly coveredUpTo: number | undefined;
  readonly overtakenTicks: readonly number[];
  readonly missedCount: number;
  readonly skippedCount: number;
  readonly fence: number;
  readonly waitingJobIds: readonly string[];
}

export interface WatchedJob {
  readonly jobId: string;
  /** Undefined: its parameters are not those of a timer. */
  readonly trigger: string | undefined;
  readonly scheduledAt: number;
  readonly state: string;
  readonly failureCode: string | undefined;
  readonly executions: number;
  readonly interruptions: number;
}

/** A write of a job's row that changed its state or its claim, in the order of the writes. */
export interface Move {
  readonly at: number;
  readonly jobId: string;
  readonly state: string;
  readonly claimId: string;
  readonly worker: string;
}

/** A line that a job wrote when it began, and when it was done. */
export interface Note {
  readonly kind: "start" | "end";
  readonly at: number;
  readonly timer: string;
  readonly jobId: string;
  readonly claimId: string;
  readonly fence: number;
  /** Of its tick. */
  readonly scheduledAt: number;
}

export interface TimerFacts {
  readonly timers: readonly WatchedTimer[];
  readonly moves: readonly Move[];
  /** In the order in which they were written. */
  readonly notes: readonly Note[];
  /** Names that should exist, and those that do. */
  readonly subscriptions: { readonly wanted: readonly string[]; readonly found: readonly string[] };
  readonly workers: readonly string[];
  /** Ticks up to here must have an outcome. */
  readonly endAt: number;
  /** How long a timer may go without a start, beyond three of its periods. */
  readonly patienceMs: number;
  /** Unreadable messages: those that were sent, and those among the dead letters. */
  readonly poison: { readonly sent: readonly string[]; readonly deadLetters: readonly string[] };
  /** The run was made to miss ticks, so some must be missed. */
  readonly mustMiss: boolean;
}

/** Time spans are counted from here. Cron with a step that divides the minute gives the same ticks. */
export const TICK_EPOCH = Date.UTC(2023, 0, 1);

/** Due after one moment and up to another. */
export function dueTicks({ periodMs }: Pick<WatchedTimer, "periodMs">, after: number, upTo: number): number[] {
  const first = TICK_EPOCH + (Math.floor((after - TICK_EPOCH) / periodMs) + 1) * periodMs;
  const count = Math.max(0, Math.floor((upTo - first) / periodMs) + 1);
  return Array.from({ length: count }, (_, index) => first + index * periodMs);
}

const TERMINAL: ReadonlySet<string> = new Set(["succeeded", "failed", "canceled"]);
export const isOver = (state: string): boolean => TERMINAL.has(state);

export const clock = (at: number): string => new Date(at).toISOString().slice(11, 23);
