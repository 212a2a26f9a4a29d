/** What a run of timers leaves behind, as the checker sees it: rows, moves of rows, and what the jobs themselves noted. */
import type { Misfire, Overlap } from "../../../runtime/core/package/manifest.ts";

/** Moments are in ms since the epoch everywhere here. */
export interface WatchedTimer {
  readonly name: string;
  /** Ticks are the multiples of it, counted from TICK_EPOCH. */
  readonly periodMs: number;
  readonly overlap: Overlap;
  readonly misfire: Misfire;
  /** Its runs end when they run out of time, and not before. */
  readonly hangs: boolean;
  /** Ticks up to here are nobody's. */
  readonly activeFrom: number;
  readonly run: WatchedRun;
  readonly jobs: readonly WatchedJob[];
}

/** What the timer's row says at the end. */
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
  /** Undefined: its parameters are none of a timer's. */
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

/** A line a job wrote when it began, and when it was done. */
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
  /** Names that should be there, and those that are. */
  readonly subscriptions: { readonly wanted: readonly string[]; readonly found: readonly string[] };
  readonly workers: readonly string[];
  /** Ticks up to here must have come to something. */
  readonly endAt: number;
  /** How long a timer may go without a start, beyond three of its periods. */
  readonly patienceMs: number;
  /** Messages that nobody can read: which were sent, and which the dead letters hold. */
  readonly poison: { readonly sent: readonly string[]; readonly deadLetters: readonly string[] };
  /** Ticks must have been missed: the run was made for it. */
  readonly mustMiss: boolean;
}

/** Time spans are counted from here, and cron with a step that divides the minute comes to the same. */
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
