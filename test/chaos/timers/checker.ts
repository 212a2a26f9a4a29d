/**
 * The rules that must hold for a run of timers, whatever was killed in it. Each rule returns sentences about
 * violations.
 */
import { idleWorkers, lostPoison, overlaps, staleFences, starved, wrongSubscriptions } from "./check-runs.ts";
import { outOfOrder } from "./check-order.ts";
import { countMismatch, doubleRuns, leftWaiting, lostTicks, nothingMissed, unexpectedEndings } from "./check-ticks.ts";
import type { TimerFacts } from "./facts.ts";

const RULES = {
  lostTicks,
  doubleRuns,
  countMismatch,
  overlaps,
  outOfOrder,
  staleFences,
  starved,
  idleWorkers,
  leftWaiting,
  wrongSubscriptions,
  lostPoison,
  unexpectedEndings,
  nothingMissed,
} as const;

export type Rule = keyof typeof RULES;
export type Verdict = Readonly<Record<Rule, readonly string[]>>;

export const judgeTimers = (facts: TimerFacts): Verdict =>
  Object.fromEntries(Object.entries(RULES).map(([rule, judge]) => [rule, judge(facts)])) as unknown as Verdict;
