import { describe, expect, it } from "vitest";
import type { Job } from "../../../runtime/core/job/job.ts";
import type { PeekedMessage } from "../../../runtime/core/ports/job-queue.ts";
import { DEFAULT_POOL, jobQueueName } from "../../../runtime/core/deployment/topology.ts";
import { LOOK_MAX, RING_MAX, ringUnread } from "../../../runtime/worker/recovery.ts";
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
    ring: (lastRead: bigint | undefined) =>
      ringUnread(lastRead === undefined ? new Map() : new Map([[NORMAL, lastRead]]), {
        jobs: counted,
        queue,
        pool: DEFAULT_POOL,
        unreadable: silentUnreadable,
        now: () => NOW,
      }),
  };
}

const running: Partial<Job> = {
  state: "running",
  claim: { id: "c", workerId: "w2", bootId: "b", queue: NORMAL, sequenceNumber: "1", since: NOW },
};

describe("looking for bells a killed worker had not read", () => {
  it("rings a queued job behind the last message that was read, with the version of its row and an id of its own", async () => {
    const { stored, queue, ring, jobs } = setUp([{}, {}]);
    expect(await ring(1n)).toBe(1);
    const [, unread] = stored;
    expect(queue.sent).toEqual([
      {
        messageId: `${unread!.value.jobId}:1:2`,
        bell: expect.objectContaining({ jobId: unread!.value.jobId, ring: 1, etag: unread!.etag }) as unknown,
      },
    ]);
    expect(jobs.transitions).toEqual([]);
  });

  it("begins at the front of a queue from which nothing was read", async () => {
    const { ring } = setUp([{}]);
    expect(await ring(undefined)).toBe(1);
  });

  it("names the same second bell however often it looks", async () => {
    const { queue, ring } = setUp([{}]);
    await ring(0n);
    await ring(0n);
    expect(new Set(queue.sent.map(({ messageId }) => messageId)).size).toBe(1);
  });

  it("leaves alone what runs, has ended, waits for its time or for another bell, and what is no bell", async () => {
    const { jobs, stored, messages, queue, ring } = setUp([
      running,
      { state: "succeeded" },
      { runAt: new Date(NOW.getTime() + 1) },
      {},
    ]);
    const moved = stored[3]!;
    jobs.put({ ...moved.value, ring: 2 });
    messages.push({ ...peekedOf(moved, "5"), parsed: { kind: "malformed", reason: "malformed" } });
    messages.push(peekedOf({ value: jobOf(), etag: "of a row that was removed" }, "6"));
    expect(await ring(0n)).toBe(0);
    expect(queue.sent).toEqual([]);
  });

  it("finds an unread one behind those that other workers run", async () => {
    const { stored, queue, ring } = setUp([...Array.from({ length: 100 }, () => running), {}]);
    expect(await ring(0n)).toBe(1);
    expect(queue.sent[0]?.bell.jobId).toBe(stored[100]!.value.jobId);
  });

  it("rings the first few of a long queue and reads no more rows than that", async () => {
    const { stored, queue, ring, reads } = setUp(Array.from({ length: 2 * LOOK_MAX }, () => ({})));
    expect(await ring(0n)).toBe(RING_MAX);
    expect(queue.sent.map(({ bell }) => bell.jobId)).toEqual(stored.slice(0, RING_MAX).map(({ value }) => value.jobId));
    expect(reads()).toBe(RING_MAX);
  });

  it("looks at a bounded part of a queue in which everything runs", async () => {
    const { ring, reads } = setUp(Array.from({ length: 2 * LOOK_MAX }, () => running));
    expect(await ring(0n)).toBe(0);
    expect(reads()).toBe(LOOK_MAX);
  });
});
