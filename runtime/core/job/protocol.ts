/**
 * How rows (truth) and bells (messages) agree: the decisions, without any I/O. Every step writes the row first, then
 * sends the next bell, then settles the old one, so that a crash between any two leaves either a redelivery that
 * finishes the step, or nothing to do (R7). The rules are in docs/protocol.md.
 */
import { MAX_INTERRUPTIONS } from "../limits.ts";
import type { Bell } from "./bell.ts";
import type { Claim, Job } from "./job.ts";
import { isTerminal } from "./states.ts";

/** The facts about a delivered bell that the table needs. */
export interface DeliveredBell {
  readonly bell: Pick<Bell, "ring">;
  readonly queue: string;
  readonly sequenceNumber: string;
  /** The job is so old that its row may have been removed (`mayBeForgotten` of retention.ts). Default: it is not. */
  readonly mayBeForgotten?: boolean;
}

export type DeliveryDecision =
  /** No such row: nothing this bell could start. */
  | { readonly action: "set-aside"; readonly reason: "JobNotFound" | "RingUnknown" }
  /** The job has ended. `asDeadLetter`: this bell is the record of its failure. */
  | { readonly action: "settle-ended"; readonly asDeadLetter: boolean }
  /** Queued for this very bell: claim with the ETag just read (R5). */
  | { readonly action: "claim" }
  /** The row waits for a newer bell that may never have been sent: send it, then complete this one (R6). */
  | { readonly action: "ring-again" }
  /** My own claim; the write's answer was lost, or another write changed the ETag: adopt it and go on (R4). */
  | { readonly action: "adopt" }
  /** Redelivery of the message the claim was made with proves that its owner's lock ended: take the job over. */
  | { readonly action: "take-over"; readonly as: TakeOver }
  /** Another worker runs the job with another message, or the job is forgotten (R47): this message is surplus. */
  | { readonly action: "complete-surplus" };

/** The next state of a job whose worker is gone. */
export type TakeOver = "running" | "canceled" | "worker-lost";

/**
 * A bell meets a row: on first delivery, and again after every refused or unanswered write. `myClaimId` is the claim
 * this receiver has tried to write, if any; worker names would not do (a restarted worker has the same name).
 */
export function decideDelivery(
  row: Pick<Job, "state" | "ring" | "claim" | "cancelWanted" | "interruptions"> | undefined,
  delivered: DeliveredBell,
  myClaimId: string | undefined,
): DeliveryDecision {
  if (row === undefined) {
    return delivered.mayBeForgotten === true
      ? { action: "complete-surplus" }
      : { action: "set-aside", reason: "JobNotFound" };
  }
  const { ring } = delivered.bell;
  if (isTerminal(row.state)) {
    return { action: "settle-ended", asDeadLetter: row.state === "failed" && ring === row.ring };
  }
  if (row.state === "queued") {
    if (ring === row.ring) return { action: "claim" };
    // A row older than its bell: a table restored from an old copy. Starting it could repeat what already happened.
    return ring < row.ring ? { action: "ring-again" } : { action: "set-aside", reason: "RingUnknown" };
  }
  if (row.claim !== undefined && row.claim.id === myClaimId) return { action: "adopt" };
  return isSameMessage(row.claim, delivered)
    ? { action: "take-over", as: takeOverOf(row) }
    : { action: "complete-surplus" };
}

/** R2: only the message named in the claim proves that the claim's owner is gone. A redelivery keeps its number (A3). */
const isSameMessage = (claim: Claim | undefined, delivered: DeliveredBell): boolean =>
  claim?.queue === delivered.queue && claim.sequenceNumber === delivered.sequenceNumber;

/** R8: a wanted cancel is honoured on every way out of running. The try that just ended counts as interruption. */
function takeOverOf(row: Pick<Job, "cancelWanted" | "interruptions">): TakeOver {
  if (row.cancelWanted) return "canceled";
  return row.interruptions + 1 > MAX_INTERRUPTIONS ? "worker-lost" : "running";
}

/** How an attempt's process ended, as its worker saw it. */
export type AttemptResult =
  | { readonly kind: "succeeded" }
  /** `retryable` false: another attempt cannot help. */
  | { readonly kind: "failed"; readonly retryable: boolean }
  | { readonly kind: "canceled" }
  /** We ended it: the worker drains. */
  | { readonly kind: "interrupted" };

/** What the row becomes, and which bell action follows the write. */
export type Ending =
  | { readonly to: "succeeded" | "canceled"; readonly bell: "complete" }
  | { readonly to: "failed"; readonly bell: "dead-letter" }
  /** Back to queued with the next ring; `counts` says which counter grows. */
  | { readonly to: "queued"; readonly counts: "attempts" | "interruptions"; readonly bell: "send-next-then-complete" };

export interface EndingFacts {
  readonly result: AttemptResult;
  readonly cancelWanted: boolean;
  /** The job's own failures before this attempt. */
  readonly attempts: number;
  readonly interruptions: number;
  readonly maxAttempts: number;
}

/** Steps 5 to 7: a success stays a success even when a cancel was wanted; everything else honours the cancel. */
export function endingOf({ result, cancelWanted, attempts, interruptions, maxAttempts }: EndingFacts): Ending {
  switch (result.kind) {
    case "succeeded":
      return { to: "succeeded", bell: "complete" };
    case "canceled":
      return { to: "canceled", bell: "complete" };
    case "interrupted":
      if (cancelWanted) return { to: "canceled", bell: "complete" };
      if (interruptions + 1 > MAX_INTERRUPTIONS) return { to: "failed", bell: "dead-letter" };
      return { to: "queued", counts: "interruptions", bell: "send-next-then-complete" };
    case "failed":
      if (cancelWanted) return { to: "canceled", bell: "complete" };
      if (!result.retryable || attempts + 1 >= maxAttempts) return { to: "failed", bell: "dead-letter" };
      return { to: "queued", counts: "attempts", bell: "send-next-then-complete" };
  }
}

export type DeadLetterDecision =
  /** The record of a failure. It stays until the job is requeued or an operator removes it. */
  | { readonly action: "keep" }
  /** Looked at again when the row has moved. */
  | { readonly action: "wait" }
  | { readonly action: "remove" }
  /** The row waits for a newer bell: send it, then remove the letter. */
  | { readonly action: "ring-then-remove" }
  /** The row's own bell died: hand the job back as interrupted, send the new bell, then remove the letter. */
  | { readonly action: "hand-back-then-remove" };

/**
 * What to do with a dead letter (step 12). It is evidence about its own ring only, and never about a running row (R9): the
 * broker may have given up on a message whose job is healthy. `row` undefined: there is no such job; people look at it.
 */
export function decideDeadLetter(
  row: Pick<Job, "state" | "ring"> | undefined,
  letter: { readonly ring: number },
): DeadLetterDecision {
  if (row === undefined) return { action: "keep" };
  if (isTerminal(row.state)) {
    return { action: row.state === "failed" && letter.ring === row.ring ? "keep" : "remove" };
  }
  if (row.state === "running") return { action: "wait" };
  if (letter.ring < row.ring) return { action: "ring-then-remove" };
  // Newer than its row: from a table restored from an old copy. Nothing it says is about this row.
  return letter.ring === row.ring ? { action: "hand-back-then-remove" } : { action: "keep" };
}
