import { describe, expect, it } from "vitest";
import type { BellReceiver, ReceivedMessage, JobQueue } from "../../../runtime/core/ports/job-queue.ts";
import { PRIORITIES, type Priority, createShare } from "../../../runtime/core/job/priority.ts";
import { jobQueueName } from "../../../runtime/core/deployment/topology.ts";
import { createIntake } from "../../../runtime/worker/intake.ts";
import { jobOf } from "../../support/builders.ts";
import { deliveryOf } from "../../support/bus/fake-delivery.ts";
import { silentLog } from "../../support/silent.ts";

/** Queues whose messages the test puts in; looks find nothing at once, open receives wait. */
function fakeQueues() {
  const waiting = new Map<string, ReceivedMessage[]>(PRIORITIES.map((priority) => [jobQueueName("p", priority), []]));
  const open = new Map<string, (delivery: ReceivedMessage | undefined) => void>();
  const looks: string[] = [];

  const receiver = (queue: string): BellReceiver => ({
    receive: (waitMs) => {
      looks.push(queue);
      const delivery = waiting.get(queue)?.shift();
      if (delivery !== undefined || waitMs < 1_000) return Promise.resolve(delivery);
      return new Promise((resolve) => {
        open.set(queue, (arrived) => {
          open.delete(queue);
          resolve(arrived);
        });
      });
    },
    close: () => {
      open.get(queue)?.(undefined);
      return Promise.resolve();
    },
  });
  const put = (priority: Priority) => {
    const queue = jobQueueName("p", priority);
    const delivery = deliveryOf({ value: jobOf(), etag: "e" }, { queue });
    const arrive = open.get(queue);
    if (arrive === undefined) waiting.get(queue)?.push(delivery);
    else arrive(delivery);
    return delivery;
  };
  return { queue: { receiver } satisfies Pick<JobQueue, "receiver">, open, looks, put };
}

const intakeOf = (queue: Pick<JobQueue, "receiver">, share = createShare()) =>
  createIntake({ queue, pool: "p", share, monotonicNow: () => performance.now(), log: silentLog });

/** Lets everything that can go on go on. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("the intake of a worker", () => {
  it("the intake takes the highest priority that has work", async () => {
    const { queue, put } = fakeQueues();
    const low = put("low");
    const high = put("high");
    const normal = put("normal");
    const intake = intakeOf(queue);
    expect([await intake.next(), await intake.next(), await intake.next()]).toEqual([high, normal, low]);
    await intake.close();
  });

  it("the intake gives each priority its share while all have work", async () => {
    const { queue, put } = fakeQueues();
    for (let i = 0; i < 21; i++) PRIORITIES.forEach(put);
    const intake = intakeOf(queue);
    const taken: Record<string, number> = {};
    for (let i = 0; i < 21; i++) {
      const { queue: from } = (await intake.next())!;
      taken[from] = (taken[from] ?? 0) + 1;
    }
    expect(taken).toEqual({ "jobs-p-high": 16, "jobs-p-normal": 4, "jobs-p-low": 1 });
    await intake.close();
  });

  it("the intake leaves one receive open on each empty queue", async () => {
    const { queue, open, looks, put } = fakeQueues();
    const intake = intakeOf(queue);
    const next = intake.next();
    await settled();
    expect(open.size).toBe(PRIORITIES.length);
    const calls = looks.length;
    await settled();
    expect(looks.length).toBe(calls);
    const delivery = put("low");
    expect(await next).toBe(delivery);
    await intake.close();
  });

  it("the intake does not poll a queue whose open receive still waits", async () => {
    const { queue, looks, put } = fakeQueues();
    const intake = intakeOf(queue);
    const first = intake.next();
    await settled();
    put("normal");
    await first;
    looks.length = 0;
    put("normal");
    await intake.next();
    expect(looks).toEqual(["jobs-p-normal"]);
    await intake.close();
  });

  it("the intake waits for an empty queue once, not before every start", async () => {
    const { queue, looks, put } = fakeQueues();
    for (let i = 0; i < 20; i++) put("low");
    const intake = intakeOf(queue);
    for (let i = 0; i < 20; i++) await intake.next();
    const inVain = looks.filter((name) => name !== "jobs-p-low");
    // A look at each, and a receive left open on each.
    expect(inVain.length).toBeLessThanOrEqual(4);
    const urgent = put("high");
    await settled();
    expect(await intake.next()).toBe(urgent);
    await intake.close();
  });

  it("the intake returns a message that arrives when no slot is free", async () => {
    const { queue, open, put } = fakeQueues();
    const intake = intakeOf(queue);
    const next = intake.next();
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
      const next = intake.next();
      await settled();
      const [low, high] = [put("low"), put("high")];
      await settled();
      expect(await next).toBe(high);
      if (taken) expect(await intake.next()).toBe(low);
      else intake.idle();
      await intake.close();
      expect(low.settled).toEqual(taken ? [] : ["abandon"]);
    }
  });

  it("a closed intake ends its waiting call and returns late messages", async () => {
    const { queue, open, put } = fakeQueues();
    const intake = intakeOf(queue);
    const next = intake.next();
    await settled();
    const closing = intake.close();
    expect(await next).toBeUndefined();
    await closing;
    expect(open.size).toBe(0);
    put("high");
    expect(await intake.next()).toBeUndefined();
  });

  it("the intake says since when receiving fails", async () => {
    const { queue, put } = fakeQueues();
    let away = true;
    const broken: Pick<JobQueue, "receiver"> = {
      receiver: (name) => {
        const real = queue.receiver(name);
        return { ...real, receive: (ms) => (away ? Promise.reject(new Error("away")) : real.receive(ms)) };
      },
    };
    const intake = intakeOf(broken);
    expect(intake.contact()).toMatchObject({ waiting: false, failingSince: undefined });
    const next = intake.next();
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
        return { ...real, receive: (ms) => (failures-- > 0 ? Promise.reject(new Error("away")) : real.receive(ms)) };
      },
    };
    const delivery = put("high");
    const intake = intakeOf(broken);
    expect(await intake.next()).toBe(delivery);
    await intake.close();
  });
});
