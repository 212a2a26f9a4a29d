/**
 * Tells what happens to jobs and batches to whoever follows them, as far as the setting allows. Everybody who writes a
 * row calls it after the write; nothing here waits for anything, and nothing that goes wrong reaches the caller.
 */
import { messageOf } from "../core/errors.ts";
import {
  batchCompletedEvent,
  isPublishedAt,
  jobCompletedEvent,
  jobProgressedEvent,
  jobQueuedEvent,
  jobRetryingEvent,
  jobStartedEvent,
  type EndedJob,
  type EventJob,
  type EventLevel,
  type PublishedEvent,
} from "../core/job/events.ts";
import type { Batch, Failure, HistoryEntry, Job, Progress } from "../core/job/job.ts";
import type { Logger } from "../core/logger.ts";
import type { EventPublisher } from "../core/ports/event-channel.ts";
import { isTerminal } from "../core/job/states.ts";

/** Each job as it is after the write that is announced. */
export interface JobEvents {
  queued(job: EventJob & Pick<Job, "runAt">): void;
  started(job: EventJob, entry: HistoryEntry): void;
  /** `number` counts the progress of this start, from 1. */
  progressed(job: EventJob, entry: HistoryEntry, progress: Progress, number: number): void;
  /** It waits again. `failure` undefined: the try was ended by us. */
  retrying(job: EventJob & Pick<Job, "runAt">, failure: Failure | undefined): void;
  completed(job: EndedJob): void;
  /** A row found or made terminal; anything else is passed over. */
  completedRow(job: Job): void;
  batchCompleted(batch: Batch, completedAt: Date): void;
}

export interface JobEventsDeps {
  readonly publisher: Pick<EventPublisher, "publish">;
  readonly level: EventLevel;
  readonly now: () => Date;
  readonly log: Logger;
}

export function createJobEvents({ publisher, level, now, log }: JobEventsDeps): JobEvents {
  function tell(make: () => PublishedEvent): void {
    try {
      const made = make();
      if (isPublishedAt(level, made.event.eventType)) publisher.publish(made);
    } catch (error) {
      // An event nobody hears of is a pity; a job that fails because of one would be a fault.
      log.error({ error: messageOf(error) }, "an event could not be made");
    }
  }

  const completed = (job: EndedJob): void => tell(() => jobCompletedEvent(job));
  return {
    queued: (job) => tell(() => jobQueuedEvent(job, now())),
    started: (job, entry) => tell(() => jobStartedEvent(job, entry)),
    progressed: (job, entry, progress, number) => tell(() => jobProgressedEvent(job, entry, progress, number, now())),
    retrying: (job, failure) => tell(() => jobRetryingEvent(job, failure, now())),
    completed,
    completedRow(job) {
      const { state, claim } = job;
      if (isTerminal(state)) completed({ ...job, state, claimId: claim?.id, endedAt: job.endedAt ?? now() });
    },
    batchCompleted: (batch, completedAt) => tell(() => batchCompletedEvent(batch, completedAt)),
  };
}
