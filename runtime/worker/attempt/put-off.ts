/**
 * A received message of a paused job (R30). Its row is read: only a job that waits for this message is put off. One that
 * runs is taken over as always when its worker has died, and one that has ended is settled. The batch is noted before the
 * message is completed, so that the refill rings for the job when it may start again. It holds no slot, lock or bell
 * meanwhile. A tick without a row is dropped: the next tick of the timer finds it missed. So is the bell of a job whose tenant is being
 * erased (R47).
 */
import type { PausableJob } from "../../core/admission/pause.ts";
import { jobQueueParts } from "../../core/deployment/topology.ts";
import { jobIdParts } from "../../core/job/ids.ts";
import { type Message, subjectOf } from "../../core/job/message.ts";
import type { Logger } from "../../core/logger.ts";
import type { ReceivedMessage } from "../../core/ports/job-queue.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { WaitingNotes } from "../../core/ports/waiting-store.ts";
import type { PauseBoard } from "../../lifecycle/pause-board.ts";

export interface PutOffDeps {
  readonly jobs: Pick<JobStore, "get">;
  readonly pauses: Pick<PauseBoard, "current">;
  readonly waiting: WaitingNotes;
}

/** Whether the message is settled, because its job is paused. Throws UnavailableError, LockLostError. */
export async function putOffIfPaused(
  delivery: ReceivedMessage,
  { jobs, pauses, waiting }: PutOffDeps,
  log: Logger,
): Promise<boolean> {
  const { parsed, queue } = delivery;
  const subject = subjectOf(parsed);
  const jobType = jobTypeOf(parsed);
  if (subject === undefined || jobType === undefined) return false;
  const { tenantName, batchId } = jobIdParts(subject.jobId);
  const job: PausableJob = { tenantName, jobType, ...jobQueueParts(queue) };
  const pause = pauses.current().of(job);
  if (pause === undefined) return false;

  const row = (await jobs.get(subject.jobId))?.value;
  const isErased = row === undefined && pause.subject.kind === "erasure";
  const isDroppedTick = row === undefined && parsed.kind === "tick";
  const isWaiting = row?.state === "queued" && row.ring === subject.ring;
  if (!isErased && !isDroppedTick && !isWaiting) return false;
  if (isWaiting) await waiting.note(queue, batchId);
  log.info(
    {},
    isErased
      ? "the job is erased"
      : isDroppedTick
        ? "the tick comes while its timer's jobs are paused"
        : "the job is paused; it waits",
  );
  await delivery.complete();
  return true;
}

/** A timer is named as the job type that it runs. */
const jobTypeOf = (message: Message): string | undefined =>
  message.kind === "bell" ? message.bell.start.jobType : message.kind === "tick" ? message.tick.timerName : undefined;
