/** The rules that `--controls` adds: limits by key, their order, pauses, and that nobody waits for ever. */
import type { RunFacts } from "../run-facts.ts";
import type { History } from "../replay.ts";
import { brokenOrder, overlaps, overLimit } from "./check-limits.ts";
import { overRate } from "./check-rates.ts";
import { starved, startedUnderPause } from "./check-waits.ts";
import type { ControlFacts } from "./facts.ts";

export interface ControlVerdict {
  readonly overLimit: readonly string[];
  readonly overRate: readonly string[];
  readonly brokenOrder: readonly string[];
  readonly startedUnderPause: readonly string[];
  readonly starved: readonly string[];
}

export const judgeControls = (
  history: History,
  facts: ControlFacts,
  run: Pick<RunFacts, "endedAt">,
): ControlVerdict => ({
  overLimit: [...overLimit(history, facts), ...overlaps(history, facts)],
  overRate: overRate(history, facts),
  brokenOrder: brokenOrder(history, facts),
  startedUnderPause: startedUnderPause(history, facts),
  starved: starved(history, facts, run),
});
