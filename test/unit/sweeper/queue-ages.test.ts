import { describe, expect, it } from "vitest";
import type { Job } from "../../../runtime/core/job/job.ts";
import { bellOf } from "../../../runtime/core/job/bell.ts";
import { jobQueueName } from "../../../runtime/core/deployment/topology.ts";
import type { PeekedMessage, PeekRequest } from "../../../runtime/core/ports/job-queue.ts";
import { createQueueAges } from "../../../runtime/sweeper/queue-ages.ts";
import { jobOf, timerOf } from "../../support/builders.ts";
import { subjectOfTick } from "../../../runtime/core/job/message.ts";
import { outgoingTick, type Tick } from "../../../runtime/core/timer/tick.ts";
import { silentUnreadable } from "../../support/silent.ts";

const NOW = Date.parse("2026-03-01T08:00:00Z");
const ago = (seconds: number): Date => new Date(NOW - seconds * 1_000);
const QUEUE = jobQueueName("p", "normal");

/** A queue with a bell for each job, in their order, and then ticks. */
function createWorld(jobs: Job[], ticks: readonly Tick[] = []) {
  const peeked: PeekRequest[] = [];
  let reads = 0;
  const messages = (): readonly PeekedMessage[] =>
    [
      ...jobs.map((job) => ({ parsed: { kind: "bell", bell: bellOf(job, "e") } as const, messageId: job.jobId })),
      ...ticks.map((tick) => ({ parsed: { kind: "tick", tick } as const, messageId: tick.scheduledAt })),
    ].map((message, index) => ({
      ...message,
      sequenceNumber: String(index + 1),
      enqueuedAt: new Date(NOW),
      reason: undefined,
      description: undefined,
    }));
  const ages = createQueueAges({
    queue: {
      peek: (name, request) => {
        if (name !== QUEUE) return Promise.resolve([]);
        peeked.push(request);
        const from = BigInt(request.fromSequenceNumber ?? "0");
        return Promise.resolve(
          messages()
            .filter((message) => BigInt(message.sequenceNumber) >= from)
            .slice(0, request.maxCount),
        );
      },
    },
    jobs: {
      get: (jobId) => {
        reads++;
        const value = jobs.find((job) => job.jobId === jobId);
        return Promise.resolve(value && { value, etag: "e" });
      },
    },
    unreadable: silentUnreadable,
    now: () => new Date(NOW),
  });
  const age = async (): Promise<number | undefined> =>
    (await ages.look(["p"])).find(({ priority }) => priority === "normal")?.oldestMs;
  return { ages, age, peeked, jobs, reads: () => reads };
}

let number = 0;
const waiting = (seconds: number, fields: Partial<Job> = {}): Job => {
  const job = jobOf({ state: "queued", submittedAt: ago(seconds), ...fields });
  return { ...job, jobId: job.jobId.replace(/.{4}$/, String(++number).padStart(4, "0")) };
};
const running = (): Job => waiting(9_000, { state: "running" });

describe("the age of the oldest job of a queue", () => {
  it("is that of the first job that could start now: not of one that runs or is delayed", async () => {
    const { age } = createWorld([running(), waiting(0, { runAt: new Date(NOW + 60_000) }), waiting(30), waiting(20)]);
    expect(await age()).toBe(30_000);
  });

  it("counts a delayed or retried job from when it could start again", async () => {
    expect(await createWorld([waiting(500, { runAt: ago(5) })]).age()).toBe(5_000);
  });

  it("is 0 for an empty queue", async () => {
    const { age, peeked } = createWorld([]);
    expect(await age()).toBe(0);
    expect(peeked).toHaveLength(1);
  });

  it("counts a timer's tick that no worker has received from the time it is for", async () => {
    const tickAt = (seconds: number): Tick => outgoingTick(timerOf(), "hash", ago(seconds)).tick;
    expect(await createWorld([], [tickAt(-60)]).age()).toBe(0);
    expect(await createWorld([], [tickAt(-60), tickAt(40), tickAt(20)]).age()).toBe(40_000);
  });

  it("does not count a tick whose run has ended", async () => {
    const { tick } = outgoingTick(timerOf(), "hash", ago(40));
    const ended = { ...waiting(40, { state: "succeeded" }), jobId: subjectOfTick(tick).jobId };
    expect(await createWorld([ended], [tick]).age()).toBe(0);
  });

  it("costs one request to the broker and a few reads, also behind many jobs that run", async () => {
    const { age, peeked, jobs, reads } = createWorld([...Array.from({ length: 600 }, running), waiting(7)]);
    // Each look passes over a page of jobs that run.
    expect([await age(), await age(), await age()]).toEqual([undefined, undefined, 7_000]);
    expect(peeked).toHaveLength(3);
    const before = reads();
    expect(await age()).toBe(7_000);
    expect(reads() - before).toBeLessThanOrEqual(16);
    jobs.splice(0);
    expect(await age()).toBe(0);
    jobs.push(waiting(3));
    expect(await age()).toBe(3_000);
  });
});
