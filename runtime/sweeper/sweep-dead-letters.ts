/** Looks at dead letters of job queues and repairs what they say about live rows (step 12 of the protocol). */
import { decideDeadLetter } from "../core/job/protocol.ts";
import { subjectOf } from "../core/job/message.ts";
import type { JobQueue, PeekedMessage } from "../core/ports/job-queue.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import { unlessUnreadable, type Unreadable } from "../core/unreadable.ts";
import { handBack, ringRow, type HandBackDeps } from "./hand-back-dead.ts";

export interface SweepLettersDeps extends HandBackDeps {
  readonly jobs: Pick<JobStore, "get" | "update">;
  readonly queue: Pick<JobQueue, "send" | "peek" | "takeDeadLetters">;
  readonly unreadable: Pick<Unreadable, "note">;
}

/** Where to go on in each queue: letters before it have been judged and stay. */
export type LetterPositions = Map<string, string>;

const PEEK_PAGE = 250;
/** Letters looked at in one sweep of one queue. */
const LETTERS_PER_SWEEP = 2_000;
/** Letters taken under lock to remove some of them; those behind wait for the next sweep. */
const TAKEN_MAX = 1_000;

/** Resolves to the number of letters removed. */
export async function sweepDeadLetters(
  queueName: string,
  positions: LetterPositions,
  deps: SweepLettersDeps,
): Promise<number> {
  const remove = new Set<string>();
  let from = positions.get(queueName);
  let waitsFrom: string | undefined;
  for (let seen = 0; seen < LETTERS_PER_SWEEP;) {
    const page = await deps.queue.peek(queueName, { deadLetter: true, fromSequenceNumber: from, maxCount: PEEK_PAGE });
    const last = page.at(-1);
    if (last === undefined) break;
    for (const letter of page) {
      const key = `${queueName} ${letter.messageId}`;
      const verdict = (await unlessUnreadable(key, deps.unreadable, () => repair(letter, deps))) ?? "wait";
      if (verdict === "remove") remove.add(letter.sequenceNumber);
      if (verdict === "wait") waitsFrom ??= letter.sequenceNumber;
    }
    seen += page.length;
    from = String(BigInt(last.sequenceNumber) + 1n);
  }
  // A letter whose row still runs is looked at again; everything before it stays as it was judged.
  const next = waitsFrom ?? from;
  if (next !== undefined) positions.set(queueName, next);
  return removeLetters(queueName, remove, deps);
}

/** Does what the letter's row needs; the letter itself is removed last, so that a crash in between repeats the step. */
async function repair({ parsed }: PeekedMessage, deps: SweepLettersDeps): Promise<"keep" | "wait" | "remove"> {
  const subject = subjectOf(parsed);
  if (subject === undefined) return "keep";
  const stored = await deps.jobs.get(subject.jobId);
  const meeting = decideDeadLetter(stored?.value, subject);
  switch (meeting.action) {
    case "keep":
    case "wait":
    case "remove":
      return meeting.action;
    case "ring-then-remove":
      if (stored !== undefined) await ringRow(stored, deps.queue);
      return "remove";
    case "hand-back-then-remove": {
      const to = stored && (await handBack(stored, deps));
      // One interruption too many: the letter is now the record of the failure.
      if (to === "failed") return "keep";
      return to === undefined ? "wait" : "remove";
    }
  }
}

async function removeLetters(queueName: string, remove: Set<string>, { queue }: SweepLettersDeps): Promise<number> {
  let removed = 0;
  let taken = 0;
  const others = [];
  while (remove.size > 0 && taken < TAKEN_MAX) {
    const letters = await queue.takeDeadLetters(queueName, PEEK_PAGE);
    if (letters.length === 0) break;
    taken += letters.length;
    for (const letter of letters) {
      if (remove.delete(letter.sequenceNumber)) {
        await letter.complete();
        removed++;
      } else {
        others.push(letter);
      }
    }
  }
  await Promise.all(others.map((letter) => letter.abandon()));
  return removed;
}
