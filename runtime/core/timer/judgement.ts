/**
 * What becomes of a tick that has come, and what is written down of those that have not. Each tick of a schedule is
 * recorded once: as a row of its own, or as one of the missed ticks that a run stands for or the timer counts.
 *
 * | tick                         | misfire "once"                        | "skip"   | { all: n }                       |
 * |------------------------------|---------------------------------------|----------|----------------------------------|
 * | in time                      | runs                                  | runs     | runs                             |
 * | too late                     | runs for all that are due and not run | missed   | the latest n run, others: missed |
 * | recorded                     | nothing                               | nothing  | nothing                          |
 * | never came, and is too late  | missed: the next to come says so      | the same | the same                         |
 *
 * Ticks come in any order and from any time. Up to `coveredUpTo` they are recorded, but for those that a later one has
 * overtaken: they may still come, and come in time. Pure: the worker's clock is given, and a wrong one costs a wrong
 * "too late" at most.
 */
import { MISSED_TICKS_KEPT, OVERTAKEN_TICKS_MAX } from "../limits.ts";
import type { Schedule } from "../schedule/cron-schedule.ts";
import type { Timer, TimerRun } from "./timer.ts";

/** What a timer's row says of its ticks. */
export type Coverage = Pick<TimerRun, "coveredUpTo" | "overtakenTicks" | "missedTicks">;

export interface TickRules extends Pick<Timer, "misfire" | "graceMs" | "activeFrom"> {
  readonly schedule: Schedule;
}

/** Ticks that are missed: all that are not recorded, from the first to the last. */
export interface MissedTicks {
  /** Exact up to MISSED_COUNT_MAX. */
  readonly count: number;
  readonly first: Date;
  readonly last: Date;
}

export type TickJudgement =
  /** It has been recorded, or it is of a time when the timer was not active. */
  | { readonly verdict: "recorded" }
  /** It runs. `missed`: the ticks besides for which it stands. */
  | { readonly verdict: "run"; readonly missed: MissedTicks | undefined }
  /** It is counted as missed, and so are others. */
  | { readonly verdict: "missed"; readonly missed: MissedTicks };

/** Longer backlogs are counted up to here. */
export const MISSED_COUNT_MAX = 10_000;

export function judgeTick(coverage: Coverage, rules: TickRules, at: Date, now: Date): TickJudgement {
  if (isRecorded(coverage, rules, at)) return { verdict: "recorded" };
  const line = lateLine(rules, now);
  if (at >= line) return { verdict: "run", missed: missedIn(coverage, rules, before(openFrom(rules, line, at)), at) };
  if (rules.misfire !== "once") {
    const missed = missedIn(coverage, rules, before(line), undefined);
    return { verdict: "missed", missed: missed ?? { count: 1, first: at, last: at } };
  }
  const latestDue = rules.schedule.previous(after(now));
  return { verdict: "run", missed: missedIn(coverage, rules, latest(at, latestDue), at) };
}

/** Whether a tick needs no record any more. */
export function isRecorded(coverage: Coverage, rules: Pick<TickRules, "activeFrom">, at: Date): boolean {
  if (at <= rules.activeFrom) return true;
  if (coverage.coveredUpTo === undefined || at > coverage.coveredUpTo) return false;
  return !coverage.overtakenTicks.some((tick) => tick.getTime() === at.getTime());
}

/**
 * What is recorded of a tick whose run has a row and has not started. `missed`: another run stands for it, or it is of a
 * time when the timer was not active. `judged`: this run was at the gate before, and its row does not say yet what became
 * of it there.
 */
export function recordOf(coverage: Coverage, rules: Pick<TickRules, "activeFrom">, at: Date): TickRecord {
  if (!isRecorded(coverage, rules, at)) return "none";
  const { missedTicks } = coverage;
  const [oldest] = missedTicks;
  const isForgotten = oldest !== undefined && missedTicks.length >= MISSED_TICKS_KEPT && at < oldest;
  const isMissed = at <= rules.activeFrom || missedTicks.some((tick) => tick.getTime() === at.getTime());
  return isMissed || isForgotten ? "missed" : "judged";
}

export type TickRecord = "none" | "missed" | "judged";

/** A run that starts later than this after its tick is past due. */
export const isPastDue = (at: Date, graceMs: number, now: Date): boolean => now.getTime() > at.getTime() + graceMs;

/** What the row says when a tick and those missed with it are recorded. */
export interface Recorded extends Coverage {
  /** How many of the missed ticks had not been recorded by others meanwhile. */
  readonly missedCount: number;
  readonly lastMissedAt: Date | undefined;
}

/**
 * Records a tick that has a row, or none (`at` undefined), and all ticks from the first to the last of `missed`. What is
 * passed over on the way may still come; of more than OVERTAKEN_TICKS_MAX, the oldest count as missed.
 */
export function recordTicks(
  coverage: Coverage,
  rules: Pick<TickRules, "schedule" | "activeFrom">,
  at: Date | undefined,
  missed: Pick<MissedTicks, "first" | "last"> | undefined,
): Recorded {
  const covered = latest(coverage.coveredUpTo, latest(at, missed?.last));
  const counted: Date[] = [];
  const open: Date[] = [];
  if (covered !== undefined) {
    for (const tick of unrecorded(coverage, rules, covered)) {
      if (tick.getTime() === at?.getTime()) continue;
      const isMissed = missed !== undefined && tick >= missed.first && tick <= missed.last;
      (isMissed ? counted : open).push(tick);
    }
  }
  counted.push(...open.splice(0, Math.max(0, open.length - OVERTAKEN_TICKS_MAX)));
  return {
    coveredUpTo: covered,
    overtakenTicks: open,
    missedTicks: inOrder([...coverage.missedTicks, ...counted]).slice(-MISSED_TICKS_KEPT),
    missedCount: counted.length,
    lastMissedAt: counted.at(-1),
  };
}

/** Ticks before it are too late. */
function lateLine({ misfire, graceMs, schedule, activeFrom }: TickRules, now: Date): Date {
  const inGrace = new Date(now.getTime() - graceMs);
  if (typeof misfire === "string") return inGrace;
  let oldest = after(now);
  for (let i = 0; i < misfire.all && oldest > activeFrom; i++) oldest = schedule.previous(oldest) ?? activeFrom;
  return oldest < inGrace ? oldest : inGrace;
}

/** The earliest of the ticks before this one that may still come: not too late, and not too many to be remembered. */
function openFrom({ schedule }: Pick<TickRules, "schedule">, line: Date, at: Date): Date {
  let first = at;
  for (let i = 0; i < OVERTAKEN_TICKS_MAX; i++) {
    const tick = schedule.previous(first);
    if (tick === undefined || tick < line) break;
    first = tick;
  }
  return first;
}

/** Those not recorded up to a moment, but for one. */
function missedIn(
  coverage: Coverage,
  rules: Pick<TickRules, "schedule" | "activeFrom">,
  upTo: Date,
  but: Date | undefined,
): MissedTicks | undefined {
  let found: { count: number; first: Date; last: Date } | undefined;
  for (const tick of unrecorded(coverage, rules, upTo)) {
    if (tick.getTime() === but?.getTime()) continue;
    if (found === undefined) found = { count: 1, first: tick, last: tick };
    else Object.assign(found, { count: found.count + 1, last: tick });
  }
  return found;
}

/** Ticks up to a moment that have no record, in their order. */
function* unrecorded(
  { coveredUpTo, overtakenTicks }: Coverage,
  { schedule, activeFrom }: Pick<TickRules, "schedule" | "activeFrom">,
  upTo: Date,
): Generator<Date> {
  for (const tick of overtakenTicks) if (tick > activeFrom && tick <= upTo) yield tick;
  let count = 0;
  for (
    let tick = schedule.next(latest(coveredUpTo, activeFrom) ?? activeFrom);
    tick !== undefined && tick <= upTo;
    tick = schedule.next(tick)
  ) {
    if (++count > MISSED_COUNT_MAX) {
      // Too many to be counted. What matters is where they end.
      const last = schedule.previous(after(upTo));
      if (last !== undefined) yield last;
      return;
    }
    yield tick;
  }
}

const latest = <T extends Date | undefined>(a: T, b: Date | undefined): T | Date =>
  a === undefined || (b !== undefined && b > a) ? (b ?? a) : a;
const inOrder = (ticks: readonly Date[]): readonly Date[] => ticks.toSorted((a, b) => a.getTime() - b.getTime());
const before = (at: Date): Date => new Date(at.getTime() - 1);
const after = (at: Date): Date => new Date(at.getTime() + 1);
