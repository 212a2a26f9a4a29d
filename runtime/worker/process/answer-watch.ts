/** Asks a process at equal distances whether it still hears, and notices when it no longer answers. */
import { PINGS_UNTIL_BLOCKED } from "./process-limits.ts";

export interface AnswerWatch {
  readonly answered: () => void;
  /** When it last answered, in terms of `performance.now()`. */
  readonly answeredAt: () => number;
  stop(): void;
}

export interface AnswerWatchDeps {
  /** Counts questions, not time, so that a worker that was itself asleep accuses nobody. */
  readonly blockedMs: number;
  /** Asks, unless there is no reason to. */
  readonly ask: () => boolean;
  /** Called again at every question that would follow. */
  readonly onBlocked: () => void;
}

export function startAnswerWatch({ blockedMs, ask, onBlocked }: AnswerWatchDeps): AnswerWatch {
  let answeredAt = 0;
  let unanswered = 0;
  const timer = setInterval(() => {
    if (unanswered >= PINGS_UNTIL_BLOCKED) onBlocked();
    unanswered = ask() ? unanswered + 1 : 0;
  }, blockedMs / PINGS_UNTIL_BLOCKED);
  return {
    answered() {
      answeredAt = performance.now();
      unanswered = 0;
    },
    answeredAt: () => answeredAt,
    stop: () => clearInterval(timer),
  };
}
