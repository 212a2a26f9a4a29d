/** Handles the rows of the protocol's table that start no job: does what is still open, then settles the message. */
import type { Failure, Job } from "../../core/job/job.ts";
import { type JobQueue, outgoingBell, type ReceivedMessage } from "../../core/ports/job-queue.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { DeliveryDecision } from "../../core/job/protocol.ts";
import type { BatchCompletion } from "../../lifecycle/batch-completion.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";
import type { Limits } from "../../lifecycle/limits/limits.ts";

export interface TableDeps {
  readonly queue: Pick<JobQueue, "send">;
  readonly completion: Pick<BatchCompletion, "afterJobEnded">;
  readonly events: JobEvents;
  readonly limits?: Limits | undefined;
}

type StartingDecision = Extract<DeliveryDecision, { readonly action: "claim" | "adopt" | "take-over" }>;
type SettlingDecision = Exclude<DeliveryDecision, StartingDecision>;

/** Whether a decision only settles the message. */
export const startsNothing = (decision: DeliveryDecision): decision is SettlingDecision =>
  decision.action !== "claim" && decision.action !== "adopt" && decision.action !== "take-over";

export async function settleByTable(
  delivery: ReceivedMessage,
  current: Stored<Job> | undefined,
  decision: SettlingDecision,
  { queue, completion, events, limits }: TableDeps,
): Promise<void> {
  switch (decision.action) {
    case "set-aside":
      await delivery.deadLetter(decision.reason, `No job waits for message ${delivery.messageId}.`);
      return;
    case "settle-ended":
      // R12: the process that ended it may have died before it looked at the batch, and before it sent the event.
      if (current !== undefined) {
        events.completedRow(current.value);
        // R24: it may also have died before it looked who waits for the place.
        await limits?.left(current.value);
        await completion.afterJobEnded(current.value.batchId);
      }
      if (decision.asDeadLetter) await delivery.deadLetter(...deadLetterReason(current?.value.failure));
      else await delivery.complete();
      return;
    case "ring-again":
      if (current !== undefined) {
        await queue.send(delivery.queue, [outgoingBell(current)]);
        await limits?.left(current.value);
      }
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
