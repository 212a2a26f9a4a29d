/** Handles the rows of the protocol's table that start no job: does what is still open, then settles the message. */
import type { Failure, Job } from "../../core/job/job.ts";
import { type JobQueue, outgoingBell, type ReceivedMessage } from "../../core/ports/job-queue.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { DeliveryDecision } from "../../core/job/protocol.ts";
import type { BatchCompletion } from "../../lifecycle/batch-completion.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";

export interface TableDeps {
  readonly queue: Pick<JobQueue, "send">;
  readonly completion: Pick<BatchCompletion, "afterJobEnded">;
  readonly events: JobEvents;
}

type StartingMeeting = Extract<DeliveryDecision, { readonly action: "claim" | "adopt" | "take-over" }>;
type SettlingMeeting = Exclude<DeliveryDecision, StartingMeeting>;

/** Whether a meeting only settles the message. */
export const startsNothing = (meeting: DeliveryDecision): meeting is SettlingMeeting =>
  meeting.action !== "claim" && meeting.action !== "adopt" && meeting.action !== "take-over";

export async function settleByTable(
  delivery: ReceivedMessage,
  current: Stored<Job> | undefined,
  meeting: SettlingMeeting,
  { queue, completion, events }: TableDeps,
): Promise<void> {
  switch (meeting.action) {
    case "set-aside":
      await delivery.deadLetter(meeting.reason, `No job waits for message ${delivery.messageId}.`);
      return;
    case "settle-ended":
      // R12: the process that ended it may have died before it looked at the batch, and before it sent the event.
      if (current !== undefined) {
        events.completedRow(current.value);
        await completion.afterJobEnded(current.value.batchId);
      }
      if (meeting.asDeadLetter) await delivery.deadLetter(...deadLetterReason(current?.value.failure));
      else await delivery.complete();
      return;
    case "ring-again":
      if (current !== undefined) await queue.send(delivery.queue, [outgoingBell(current)]);
      await delivery.complete();
      return;
    case "complete-surplus":
      await delivery.complete();
      return;
  }
}

/** Reason and description of a dead letter. They are what the row says, so that both lists agree. */
export const deadLetterReason = (failure: Failure | undefined): [reason: string, description: string] => [
  failure?.code ?? "JobFailed",
  failure?.message ?? "The job failed.",
];
