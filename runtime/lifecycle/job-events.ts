/**
 * Publishes what happens to jobs and batches, as far as the setting allows, and counts it. Every writer of a row calls it
 * after the write. Calls return at once, and errors do not reach the caller.
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
import type { Clock } from "../core/clock.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { createJobMeasures, type JobMeasures } from "./job-measures.ts";

/** Each job as it is after the write that is announced. */
export interface JobEvents {
  queued(job: EventJob & Pick<Job, "runAt">): void;
  started(job: EventJob, entry: HistoryEntry): void;
  /** `number` counts the progress of this start, from 1. */
  progressed(job: EventJob, entry: HistoryEntry, progress: Progress, number: number): void;
  /** It waits again. `failure` undefined: the system ended the try. */
  retrying(job: EventJob & Pick<Job, "runAt">, failure: Failure | undefined): void;
  completed(job: EndedJob): void;
  /** A row found or made terminal; other rows are ignored. */
  completedRow(job: Job): void;
  batchCompleted(batch: Batch, completedAt: Date): void;
  /** Counts, whatever is published. */
  readonly measures: JobMeasures;
}

export interface JobEventsDeps {
  readonly publisher: Pick<EventPublisher, "publish">;
  readonly level: EventLevel;
  readonly metrics: Metrics;
  readonly now: Clock["now"];
  readonly log: Logger;
}

export function createJobEvents({ publisher, level, metrics, now, log }: JobEventsDeps): JobEvents {
  function publish(make: () => PublishedEvent): void {
    try {
      const made = make();
      if (isPublishedAt(level, made.event.eventType)) publisher.publish(made);
    } catch (error) {
      // A lost event must not make a job fail.
      log.error({ error: messageOf(error) }, "an event could not be made");
    }
  }

  const completed = (job: EndedJob): void => publish(() => jobCompletedEvent(job));
  return {
    queued: (job) => publish(() => jobQueuedEvent(job, now())),
    started: (job, entry) => publish(() => jobStartedEvent(job, entry)),
    progressed: (job, entry, progress, number) =>
      publish(() => jobProgressedEvent(job, entry, progress, number, now())),
    retrying: (job, failure) => publish(() => jobRetryingEvent(job, failure, now())),
    completed,
    completedRow(job) {
      const { state, claim } = job;
      if (isTerminal(state)) completed({ ...job, state, claimId: claim?.id, endedAt: job.endedAt ?? now() });
    },
    batchCompleted: (batch, completedAt) => publish(() => batchCompletedEvent(batch, completedAt)),
    measures: createJobMeasures(metrics),
  };
}
