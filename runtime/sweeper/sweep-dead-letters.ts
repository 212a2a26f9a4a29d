/** Reads the dead-letter queues and repairs the rows of jobs that are still alive (step 12 of the protocol). */
import { decideDeadLetter } from "../core/job/protocol.ts";
import { subjectOf } from "../core/job/message.ts";
import type { JobQueue, PeekedMessage } from "../core/ports/job-queue.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import { unlessUnreadable, type Unreadable } from "../core/unreadable.ts";
import { handBack, sendBell, type HandBackDeps } from "./hand-back-dead.ts";

export interface SweepDeadLettersDeps extends HandBackDeps {
  readonly jobs: Pick<JobStore, "get" | "update">;
  readonly queue: Pick<JobQueue, "send" | "peek" | "takeDeadLetters">;
  readonly unreadable: Pick<Unreadable, "note">;
  /** Whether a dead letter that would stay is older than its tenant wants it kept. Default: none is. */
  readonly isLetterDue?: ((jobId: string, enqueuedAt: Date) => boolean) | undefined;
}

/** Where to go on in each queue. Dead letters before that have been decided, and stay until they are due. */
export type DeadLetterPositions = Map<string, string>;

const PEEK_PAGE = 250;
/** Dead letters read in one sweep of one queue. */
const PER_SWEEP_MAX = 2_000;
/** Dead letters taken under lock to remove some of them; the rest waits for the next sweep. */
const TAKEN_MAX = 1_000;

/** Resolves to the number of dead letters removed. */
export async function sweepDeadLetters(
  queueName: string,
  positions: DeadLetterPositions,
  deps: SweepDeadLettersDeps,
): Promise<number> {
  const remove = new Set<string>();
  let from = positions.get(queueName);
  let waitsFrom: string | undefined;
  for (let seen = 0; seen < PER_SWEEP_MAX;) {
    const page = await deps.queue.peek(queueName, { deadLetter: true, fromSequenceNumber: from, maxCount: PEEK_PAGE });
    const last = page.at(-1);
    if (last === undefined) break;
    for (const deadLetter of page) {
      const key = `${queueName} ${deadLetter.messageId}`;
      const verdict = (await unlessUnreadable(key, deps.unreadable, () => repair(deadLetter, deps))) ?? "wait";
      if (verdict === "remove") remove.add(deadLetter.sequenceNumber);
      if (verdict === "wait") waitsFrom ??= deadLetter.sequenceNumber;
    }
    seen += page.length;
    from = String(BigInt(last.sequenceNumber) + 1n);
  }
  // A dead letter whose row still runs is read again. Those before it stay as decided.
  const next = waitsFrom ?? from;
  if (next !== undefined) positions.set(queueName, next);
  return removeDeadLetters(queueName, remove, deps);
}

/** Does what the row needs. The dead letter itself is removed last, so that a crash in between repeats the step. */
async function repair(
  { parsed, enqueuedAt }: PeekedMessage,
  deps: SweepDeadLettersDeps,
): Promise<"keep" | "wait" | "remove"> {
  const subject = subjectOf(parsed);
  if (subject === undefined) return "keep";
  const stored = await deps.jobs.get(subject.jobId);
  const decision = decideDeadLetter(stored?.value, subject);
  switch (decision.action) {
    case "keep":
      return deps.isLetterDue?.(subject.jobId, enqueuedAt) === true ? "remove" : "keep";
    case "wait":
    case "remove":
      return decision.action;
    case "ring-then-remove":
      if (stored !== undefined) await sendBell(stored, deps.queue);
      return "remove";
    case "hand-back-then-remove": {
      const to = stored && (await handBack(stored, deps));
      // One interruption too many: the dead letter is now the record of the failure.
      if (to === "failed") return "keep";
      return to === undefined ? "wait" : "remove";
    }
  }
}

async function removeDeadLetters(
  queueName: string,
  remove: Set<string>,
  { queue }: SweepDeadLettersDeps,
): Promise<number> {
  let removed = 0;
  let taken = 0;
  const others = [];
  while (remove.size > 0 && taken < TAKEN_MAX) {
    const deadLetters = await queue.takeDeadLetters(queueName, PEEK_PAGE);
    if (deadLetters.length === 0) break;
    taken += deadLetters.length;
    for (const deadLetter of deadLetters) {
      if (remove.delete(deadLetter.sequenceNumber)) {
        await deadLetter.complete();
        removed++;
      } else {
        others.push(deadLetter);
      }
    }
  }
  await Promise.all(others.map((deadLetter) => deadLetter.abandon()));
  return removed;
}
