/**
 * The rules that must hold for a run, whatever was killed in it. Every rule is a function from the history and the
 * run's other facts to sentences about violations.
 */
import { brokenAnswers } from "./check-answers.ts";
import {
  counterMismatch,
  doubleCompletions,
  illegalBatchChanges,
  lostBatches,
  needlessReopenings,
} from "./check-batches.ts";
import { doubleTerminal, illegalTransitions, lostJobs, staleWrites } from "./check-jobs.ts";
import type { History } from "./replay.ts";
import type { RunFacts } from "./run-facts.ts";

export interface Verdict {
  readonly lost: readonly string[];
  readonly doubleTerminal: readonly string[];
  readonly staleWrites: readonly string[];
  readonly illegalTransitions: readonly string[];
  readonly counterMismatch: readonly string[];
  readonly doubleCompletions: readonly string[];
  readonly brokenAnswers: readonly string[];
}

export const judge = (history: History, facts: RunFacts): Verdict => ({
  lost: [...lostJobs(history, facts), ...lostBatches(history)],
  doubleTerminal: doubleTerminal(history, facts),
  staleWrites: staleWrites(history),
  illegalTransitions: [
    ...illegalTransitions(history, facts),
    ...illegalBatchChanges(history),
    ...needlessReopenings(history),
  ],
  counterMismatch: counterMismatch(history, facts),
  doubleCompletions: doubleCompletions(history),
  brokenAnswers: brokenAnswers(history, facts),
});
