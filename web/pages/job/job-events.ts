/** What has happened to a job, in order, as its row says it. */
import type { JobView } from "../../../runtime/client/index.ts";

export interface JobEvent {
  readonly at: string;
  readonly state: JobView["state"] | "delayed";
  readonly word: string;
  readonly detail: string;
}

/** Oldest first. The row keeps the latest 100 starts. */
export function eventsOf(job: JobView): readonly JobEvent[] {
  const { submittedAt, submittedBy, runAt, history, state, endedAt } = job;
  const events: JobEvent[] = [
    {
      at: submittedAt,
      state: runAt === undefined || history.length > 0 ? "queued" : "delayed",
      word: "submitted",
      detail: `by ${submittedBy}`,
    },
  ];
  for (const [index, { execution, attempt, workerId, startedAt, endedAt: ended, outcome, code }] of history.entries()) {
    const where = `start ${execution}, attempt ${attempt}, on ${workerId}`;
    events.push({ at: startedAt, state: "running", word: "started", detail: where });
    const next = history[index + 1];
    if (ended !== undefined && outcome !== undefined) {
      const isEnd = next === undefined && state === outcome;
      events.push({
        at: ended,
        state: outcome === "interrupted" ? "canceled" : outcome,
        word: outcome,
        detail: [code, isEnd ? job.failure?.message : undefined].filter((part) => part !== undefined).join(": "),
      });
      // Without an end its worker died, which is noticed at the next start.
    } else if (next !== undefined) {
      events.push({ at: next.startedAt, state: "canceled", word: "interrupted", detail: `${workerId} was lost` });
    }
  }
  const hasEndedUnstarted = endedAt !== undefined && history.length === 0;
  if (hasEndedUnstarted)
    events.push({ at: endedAt, state, word: state, detail: job.failure?.message ?? "before its first start" });
  return events;
}
