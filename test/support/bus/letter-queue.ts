/** A queue in memory as the API sees one: what is sent is gone, dead letters lie in `jobs-default-normal`. */
import { bellOf, bellMessageId } from "../../../runtime/core/job/bell.ts";
import type { JobQueue, PeekedMessage } from "../../../runtime/core/ports/job-queue.ts";
import { deliveryOf } from "./fake-delivery.ts";
import { jobOf } from "../builders.ts";

export interface LetterQueue {
  readonly queue: JobQueue;
  /** Sets the message of a job aside; returns the path of its letter. */
  add(jobId: string): string;
}

const QUEUE = "jobs-default-normal";

/** `lastNumber`: letters are numbered from the one after it. */
export function letterQueue(lastNumber = 0): LetterQueue {
  let letters: PeekedMessage[] = [];
  const queue: JobQueue = {
    send: () => Promise.resolve(),
    receiver: () => {
      throw new Error("The API receives nothing.");
    },
    peek: (name, { fromSequenceNumber = "0", maxCount }) => {
      const from = letters.filter(({ sequenceNumber }) => BigInt(sequenceNumber) >= BigInt(fromSequenceNumber));
      return Promise.resolve(name === QUEUE ? from.slice(0, maxCount) : []);
    },
    takeDeadLetters: (_name, maxCount) =>
      Promise.resolve(
        letters.slice(0, maxCount).map((letter) =>
          deliveryOf(
            { value: jobOf(), etag: "e" },
            {
              sequenceNumber: letter.sequenceNumber,
              complete: () => {
                letters = letters.filter((other) => other !== letter);
                return Promise.resolve();
              },
            },
          ),
        ),
      ),
    close: () => Promise.resolve(),
  };
  return {
    queue,
    add(jobId) {
      const sequenceNumber = String(++lastNumber);
      letters.push({
        parsed: { kind: "bell", bell: bellOf(jobOf({ jobId }), "e") },
        messageId: bellMessageId(jobId, 1),
        sequenceNumber,
        enqueuedAt: new Date(),
        reason: "JobFailed",
        description: "it broke",
      });
      return `/v1/dead-letters/${QUEUE}/${sequenceNumber}`;
    },
  };
}
