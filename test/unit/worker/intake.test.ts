import { describe, expect, it } from "vitest";
import type { BellReceiver, ReceivedMessage, JobQueue } from "../../../runtime/core/ports/job-queue.ts";
import { PRIORITIES, type Priority, createShare } from "../../../runtime/core/job/priority.ts";
import { jobQueueName } from "../../../runtime/core/deployment/topology.ts";
import { type Intake, createIntake } from "../../../runtime/worker/intake.ts";
import { jobOf } from "../../support/builders.ts";
import { deliveryOf } from "../../support/bus/fake-delivery.ts";
import { eventuallyFound } from "../../support/eventually.ts";
import { silentLog } from "../../support/silent.ts";

const LOCK_MS = 60_000;

/** Queues whose messages the test puts in; short receives bring what is there at once, long ones wait for one. */
function fakeQueues() {
  const waiting = new Map<string, ReceivedMessage[]>(PRIORITIES.map((priority) => [jobQueueName("p", priority), []]));
  const open = new Map<string, (messages: readonly ReceivedMessage[]) => void>();
  /** Queue and count of each receive. */
  const receives: [queue: string, count: number][] = [];

  const receiver = (queue: string): BellReceiver => ({
    receive: (waitMs, maxCount) => {
      receives.push([queue, maxCount]);
      const messages = waiting.get(queue)?.splice(0, maxCount) ?? [];
      if (messages.length > 0 || waitMs < 1_000) return Promise.resolve(messages);
      return new Promise((resolve) => {
        open.set(queue, (arrived) => {
          open.delete(queue);
          resolve(arrived);
        });
      });
    },
    close: () => {
      open.get(queue)?.([]);
      return Promise.resolve();
    },
  });
  /** `waitedMs`: how long the message lies in its queue when it is received. */
  const put = (priority: Priority, waitedMs = 0) => {
    const queue = jobQueueName("p", priority);
    const lockedUntil = Date.now() + LOCK_MS;
    const enqueuedAt = lockedUntil - LOCK_MS - waitedMs;
    const delivery = deliveryOf({ value: jobOf(), etag: "e" }, { queue, lockedUntil, enqueuedAt });
    const arrive = open.get(queue);
    if (arrive === undefined) waiting.get(queue)?.push(delivery);
    else arrive([delivery]);
    return delivery;
  };
  return { queue: { receiver } satisfies Pick<JobQueue, "receiver">, open, receives, put };
}

const intakeOf = (queue: Pick<JobQueue, "receiver">, share = createShare()) =>
  createIntake({ queue, pool: "p", share, lockMs: LOCK_MS, monotonicNow: () => performance.now(), log: silentLog });

/** The next message of a worker with one free slot. */
const one = async (intake: Intake): Promise<ReceivedMessage | undefined> => {
  const messages = await intake.next(1);
  expect(messages.length).toBeLessThanOrEqual(1);
  return messages[0];
};

/** Lets everything that can go on go on. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("the intake of a worker", () => {
  it("the intake takes the highest priority that has work", async () => {
    const { queue, put } = fakeQueues();
    const low = put("low");
    const high = put("high");
    const normal = put("normal");
    const intake = intakeOf(queue);
    expect([await one(intake), await one(intake), await one(intake)]).toEqual([high, normal, low]);
    await intake.close();
  });

  it("the intake gives each priority its share while all have work", async () => {
    const { queue, put } = fakeQueues();
    for (let i = 0; i < 21; i++) PRIORITIES.forEach(put);
    const intake = intakeOf(queue);
    const taken: Record<string, number> = {};
    for (let i = 0; i < 21; i++) {
      const { queue: from } = (await one(intake))!;
      taken[from] = (taken[from] ?? 0) + 1;
    }
    expect(taken).toEqual({ "jobs-p-high": 16, "jobs-p-normal": 4, "jobs-p-low": 1 });
    await intake.close();
  });

  it("free slots are asked for at once, and each priority gets its share of them", async () => {
    const { queue, receives, put } = fakeQueues();
    for (let i = 0; i < 21; i++) PRIORITIES.forEach((priority) => put(priority));
    const intake = intakeOf(queue);
    const taken: ReceivedMessage[] = [];
    while (taken.length < 21) taken.push(...(await intake.next(21 - taken.length)));
    expect(receives).toEqual([
      ["jobs-p-high", 16],
      ["jobs-p-normal", 4],
      ["jobs-p-low", 1],
    ]);
    expect(Object.values(Object.groupBy(taken, (message) => message.queue)).map((some) => some!.length)).toEqual([
      16, 4, 1,
    ]);
    await intake.close();
  });

  it("slots that one queue cannot fill go to another one that has more", async () => {
    const { queue, put } = fakeQueues();
    for (let i = 0; i < 100; i++) put("low");
    const intake = intakeOf(queue);
    const taken: ReceivedMessage[] = [];
    while (taken.length < 64) taken.push(...(await intake.next(64 - taken.length)));
    expect(taken).toHaveLength(64);
    await intake.close();
  });

  it("never more messages are held than slots are free", async () => {
    const { queue, put } = fakeQueues();
    const intake = intakeOf(queue);
    const all = Array.from({ length: 300 }, (_, i) => put(PRIORITIES[i % 3]!, 1_000));
    let taken = 0;
    for (const free of [1, 7, 2, 64, 3]) {
      const messages = await intake.next(free);
      expect(messages.length).toBeLessThanOrEqual(free);
      taken += messages.length;
      intake.idle();
    }
    await intake.close();
    const returned = all.filter(({ settled }) => settled.includes("abandon")).length;
    expect(taken).toBeGreaterThan(0);
    // An open receive of each queue may bring one that no slot is left for.
    expect(returned).toBeLessThanOrEqual(3 * 5);
  });

  it("after a message that had waited all free slots are asked for; after a fresh one, one more message", async () => {
    for (const [waitedMs, count] of [
      [0, 1],
      [1_000, 8],
    ] as const) {
      const { queue, receives, put } = fakeQueues();
      const intake = intakeOf(queue);
      const first = intake.next(9);
      await eventuallyFound(() => intake.contact().waiting);
      put("normal", waitedMs);
      expect(await first).toHaveLength(1);
      receives.length = 0;
      const next = intake.next(8);
      expect(receives[0]).toEqual(["jobs-p-normal", count]);
      await intake.close();
      expect(await next).toEqual([]);
    }
  });

  it("the intake leaves one receive open on each empty queue", async () => {
    const { queue, open, receives, put } = fakeQueues();
    const intake = intakeOf(queue);
    const next = one(intake);
    await settled();
    expect(open.size).toBe(PRIORITIES.length);
    const calls = receives.length;
    await settled();
    expect(receives.length).toBe(calls);
    const delivery = put("low");
    expect(await next).toBe(delivery);
    await intake.close();
  });

  it("the intake does not poll a queue whose open receive still waits", async () => {
    const { queue, receives, put } = fakeQueues();
    const intake = intakeOf(queue);
    const first = one(intake);
    await settled();
    put("normal");
    await first;
    receives.length = 0;
    put("normal");
    await one(intake);
    expect(receives).toEqual([["jobs-p-normal", 1]]);
    await intake.close();
  });

  it("the intake waits for an empty queue once, not before every start", async () => {
    const { queue, receives, put } = fakeQueues();
    for (let i = 0; i < 20; i++) put("low");
    const intake = intakeOf(queue);
    for (let i = 0; i < 20; i++) await one(intake);
    const inVain = receives.filter(([name]) => name !== "jobs-p-low");
    // A look at each, and a receive left open on each.
    expect(inVain.length).toBeLessThanOrEqual(4);
    const urgent = put("high");
    await settled();
    expect(await one(intake)).toBe(urgent);
    await intake.close();
  });

  it("the intake returns a message that arrives when no slot is free", async () => {
    const { queue, open, put } = fakeQueues();
    const intake = intakeOf(queue);
    const next = one(intake);
    await settled();
    put("high");
    await next;
    intake.idle();
    const late = put("low");
    await settled();
    expect(late.settled).toEqual(["abandon"]);
    expect(open.has("jobs-p-low")).toBe(false);
    await intake.close();
  });

  it("the intake keeps a second message for the next free slot, or returns it", async () => {
    for (const taken of [true, false]) {
      const { queue, put } = fakeQueues();
      const intake = intakeOf(queue);
      const next = one(intake);
      await settled();
      const [low, high] = [put("low"), put("high")];
      await settled();
      expect(await next).toBe(high);
      if (taken) expect(await one(intake)).toBe(low);
      else intake.idle();
      await intake.close();
      expect(low.settled).toEqual(taken ? [] : ["abandon"]);
    }
  });

  it("a closed intake ends its waiting call and returns late messages", async () => {
    const { queue, open, put } = fakeQueues();
    const intake = intakeOf(queue);
    const next = one(intake);
    await settled();
    const closing = intake.close();
    expect(await next).toBeUndefined();
    await closing;
    expect(open.size).toBe(0);
    put("high");
    expect(await one(intake)).toBeUndefined();
  });

  it("the intake says since when receiving fails", async () => {
    const { queue, put } = fakeQueues();
    let away = true;
    const broken: Pick<JobQueue, "receiver"> = {
      receiver: (name) => {
        const real = queue.receiver(name);
        return {
          ...real,
          receive: (ms, count) => (away ? Promise.reject(new Error("away")) : real.receive(ms, count)),
        };
      },
    };
    const intake = intakeOf(broken);
    expect(intake.contact()).toMatchObject({ waiting: false, failingSince: undefined });
    const next = one(intake);
    await expect.poll(() => intake.contact().failingSince).toBeTypeOf("number");
    const { failingSince } = intake.contact();
    away = false;
    const delivery = put("high");
    expect(await next).toBe(delivery);
    const contact = intake.contact();
    expect(contact.failingSince).toBeUndefined();
    expect(contact.returnedAt).toBeGreaterThan(failingSince!);
    await intake.close();
  });

  it("the intake goes on after a failed receive", async () => {
    const { queue, put } = fakeQueues();
    let failures = 1;
    const broken: Pick<JobQueue, "receiver"> = {
      receiver: (name) => {
        const real = queue.receiver(name);
        return {
          ...real,
          receive: (ms, count) => (failures-- > 0 ? Promise.reject(new Error("away")) : real.receive(ms, count)),
        };
      },
    };
    const delivery = put("high");
    const intake = intakeOf(broken);
    expect(await one(intake)).toBe(delivery);
    await intake.close();
  });
});
