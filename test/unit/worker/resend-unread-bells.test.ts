import { describe, expect, it } from "vitest";
import type { Job } from "../../../runtime/core/job/job.ts";
import type { PeekedMessage } from "../../../runtime/core/ports/job-queue.ts";
import { DEFAULT_POOL, jobQueueName } from "../../../runtime/core/deployment/topology.ts";
import { PEEKED_MAX, SECOND_BELLS_MORE, resendUnreadBells } from "../../../runtime/worker/recovery.ts";
import { jobOf } from "../../support/builders.ts";
import { fakeQueue, peekAt, peekedOf } from "../../support/bus/fake-delivery.ts";
import { silentUnreadable } from "../../support/silent.ts";
import { createMemoryStore } from "../../support/stores/held-jobs.ts";

const NORMAL = jobQueueName(DEFAULT_POOL, "normal");
const NOW = new Date("2026-03-01T09:00:00Z");

/** A queue whose messages are numbered from 1, and its rows. */
function setUp(rows: readonly Partial<Job>[]) {
  const jobs = createMemoryStore();
  const stored = rows.map((fields) => jobs.put(jobOf(fields)));
  const messages: PeekedMessage[] = stored.map((row, index) => peekedOf(row, String(index + 1)));
  const queue = { ...fakeQueue(), peek: peekAt(NORMAL, messages) };
  let reads = 0;
  const counted = {
    get: (jobId: string) => {
      reads++;
      return jobs.get(jobId);
    },
  };
  return {
    jobs,
    stored,
    messages,
    queue,
    reads: () => reads,
    resend: (lastRead: bigint | undefined) =>
      resendUnreadBells(lastRead === undefined ? new Map() : new Map([[NORMAL, lastRead]]), {
        jobs: counted,
        queue,
        pool: DEFAULT_POOL,
        slots: SLOTS,
        unreadable: silentUnreadable,
        now: () => NOW,
      }),
  };
}

const SLOTS = 64;
/** What one link may have been given and not read, and a few of others. */
const SECOND_BELLS_MAX = SLOTS + SECOND_BELLS_MORE;

const running: Partial<Job> = {
  state: "running",
  claim: { id: "c", workerId: "w2", bootId: "b", queue: NORMAL, sequenceNumber: "1", since: NOW },
};

describe("looking for bells a killed worker had not read", () => {
  it("a second bell is sent for a queued job behind the last message that was read", async () => {
    const { stored, queue, resend, jobs } = setUp([{}, {}]);
    expect(await resend(1n)).toBe(1);
    const [, unread] = stored;
    expect(queue.sent).toEqual([
      {
        messageId: `${unread!.value.jobId}:1:2`,
        bell: expect.objectContaining({ jobId: unread!.value.jobId, ring: 1, etag: unread!.etag }) as unknown,
      },
    ]);
    expect(jobs.transitions).toEqual([]);
  });

  it("the search begins at the front of a queue from which nothing was read", async () => {
    const { resend } = setUp([{}]);
    expect(await resend(undefined)).toBe(1);
  });

  it("a second bell has the same id at every restart", async () => {
    const { queue, resend } = setUp([{}]);
    await resend(0n);
    await resend(0n);
    expect(new Set(queue.sent.map(({ messageId }) => messageId)).size).toBe(1);
  });

  it("no second bell is sent for jobs that run, have ended or wait for another bell", async () => {
    const { jobs, stored, messages, queue, resend } = setUp([
      running,
      { state: "succeeded" },
      { runAt: new Date(NOW.getTime() + 1) },
      {},
    ]);
    const moved = stored[3]!;
    jobs.put({ ...moved.value, ring: 2 });
    messages.push({ ...peekedOf(moved, "5"), parsed: { kind: "malformed", reason: "malformed" } });
    messages.push(peekedOf({ value: jobOf(), etag: "of a row that was removed" }, "6"));
    expect(await resend(0n)).toBe(0);
    expect(queue.sent).toEqual([]);
  });

  it("an unread message is found behind messages of other workers", async () => {
    const { stored, queue, resend } = setUp([...Array.from({ length: 100 }, () => running), {}]);
    expect(await resend(0n)).toBe(1);
    expect(queue.sent[0]?.bell.jobId).toBe(stored[100]!.value.jobId);
  });

  it("no more second bells are sent than messages can have been unread, however long the queue is", async () => {
    const { stored, queue, resend, reads } = setUp(Array.from({ length: 2 * PEEKED_MAX }, () => ({})));
    expect(await resend(0n)).toBe(SECOND_BELLS_MAX);
    expect(queue.sent.map(({ bell }) => bell.jobId)).toEqual(
      stored.slice(0, SECOND_BELLS_MAX).map(({ value }) => value.jobId),
    );
    expect(reads()).toBe(SECOND_BELLS_MAX);
  });

  it("a bounded part of a queue is searched", async () => {
    const { resend, reads } = setUp(Array.from({ length: 2 * PEEKED_MAX }, () => running));
    expect(await resend(0n)).toBe(0);
    expect(reads()).toBe(PEEKED_MAX);
  });
});
