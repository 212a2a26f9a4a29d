/** Figures about a run of timers, in addition to its checks. */
import { percentile } from "../engine/measures.ts";
import { dueTicks } from "./facts.ts";
import type { TimersResult } from "./run.ts";

export function measureTimers({ facts, writes }: TimersResult): Readonly<Record<string, number | undefined>> {
  const { timers, notes, endAt, moves } = facts;
  const jobs = timers.flatMap((timer) => timer.jobs);
  const count = (isOne: (job: (typeof jobs)[number]) => boolean): number => jobs.filter(isOne).length;
  const starts = notes.filter(({ kind }) => kind === "start");
  const latenesses = starts.map(({ at, scheduledAt }) => (at - scheduledAt) / 1_000).toSorted((a, b) => a - b);
  return {
    timers: timers.length,
    dueTicks: timers.reduce((sum, timer) => sum + dueTicks(timer, timer.activeFrom, endAt).length, 0),
    ticksPerSecond: Math.round(timers.reduce((sum, { periodMs }) => sum + 10_000 / periodMs, 0)) / 10,
    runs: count(({ executions }) => executions > 0),
    starts: starts.length,
    interruptions: jobs.reduce((sum, { interruptions }) => sum + interruptions, 0),
    timedOut: count(({ failureCode }) => failureCode === "JobTimedOut"),
    skipped: count(({ failureCode }) => failureCode === "TimerSkipped"),
    missed: timers.reduce((sum, { run }) => sum + run.missedCount, 0),
    startSecondsP50: percentile(latenesses, 0.5),
    startSecondsP99: percentile(latenesses, 0.99),
    workersUsed: new Set(moves.filter(({ state }) => state === "running").map(({ worker }) => worker)).size,
    recordedWrites: writes,
  };
}
