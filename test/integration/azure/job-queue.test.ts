import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectServiceBus, createJobQueue } from "../../../runtime/azure/index.ts";
import { bellMessageId, bellOf } from "../../../runtime/core/bell.ts";
import { LockLostError, UnavailableError } from "../../../runtime/core/errors.ts";
import type { Delivery, JobQueue, OutgoingBell } from "../../../runtime/core/ports/job-queue.ts";
import { busTopology } from "../../../runtime/core/topology.ts";
import { type LocalServiceBus, startLocalServiceBus } from "../../../runtime/local/bus/index.ts";
import { jobOf } from "../../support/builders.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const LOCK_MS = 60_000;
const SHORT_LOCK_MS = 500;
/** Long enough for anything that does come. */
const WAIT_MS = 10_000;
/** Long enough to see that nothing comes: what was sent before has been accepted. */
const LOOK_MS = 20;

/** A pool, and so three queues, per test. */
const POOLS = Array.from({ length: 20 }, (_, index) => `pool${index}`);
let bus: LocalServiceBus;
let hastyBus: LocalServiceBus;
const queues: JobQueue[] = [];

beforeAll(async () => {
  bus = await startLocalServiceBus({ port: 0, topology: busTopology(POOLS, { lockMs: LOCK_MS }) });
  hastyBus = await startLocalServiceBus({ port: 0, topology: busTopology(POOLS, { lockMs: SHORT_LOCK_MS }) });
});

afterAll(async () => {
  await Promise.all(queues.map((queue) => queue.close()));
  await Promise.all([bus.close(), hastyBus.close()]);
});

function connect({ connectionString }: Pick<LocalServiceBus, "connectionString"> = bus): JobQueue {
  const queue = createJobQueue({ bus: connectServiceBus({ kind: "connection-string", serviceBus: connectionString }) });
  queues.push(queue);
  return queue;
}

const freshQueueName = (): string => `jobs-${POOLS.shift() ?? "none-left"}-normal`;

function newBell(fields: Partial<OutgoingBell> = {}): OutgoingBell {
  const job = jobOf();
  return { bell: bellOf(job, 'W/"1"'), messageId: bellMessageId(job.jobId, 1), ...fields };
}

async function received(delivery: Promise<Delivery | undefined>): Promise<Delivery> {
  const message = await delivery;
  if (message === undefined) throw new Error("no message came");
  return message;
}

describe("sending", () => {
  it("delivers a bell as it was sent, with what the protocol needs to know", async () => {
    const [queue, name] = [connect(), freshQueueName()];
    const bell = newBell();
    const before = Date.now();
    await queue.send(name, [bell]);
    const delivery = await received(queue.receiver(name).receive(WAIT_MS));
    expect(delivery).toMatchObject({
      parsed: { kind: "bell", bell: bell.bell },
      messageId: bell.messageId,
      queue: name,
      deliveryCount: 1,
    });
    expect(delivery.sequenceNumber).toMatch(/^\d+$/);
    expect(delivery.lockedUntil).toBeGreaterThanOrEqual(before + LOCK_MS);
  });

  it("delivers each of many bells once, more than fit into one message", async () => {
    const [queue, name] = [connect(), freshQueueName()];
    const text = JSON.stringify("x".repeat(6_000));
    const bells = Array.from({ length: 200 }, () => {
      const job = jobOf({ parameters: text });
      return { bell: bellOf(job, 'W/"1"'), messageId: bellMessageId(job.jobId, 1) };
    });
    await queue.send(name, bells);
    const receiver = queue.receiver(name);
    const ids: string[] = [];
    while (ids.length < bells.length) {
      const delivery = await received(receiver.receive(WAIT_MS));
      ids.push(delivery.messageId);
      await delivery.complete();
    }
    expect(ids.sort()).toEqual(bells.map(({ messageId }) => messageId).sort());
    expect(await receiver.receive(LOOK_MS)).toBeUndefined();
  });

  it("is swallowed when the MessageId was seen before", async () => {
    const [queue, name] = [connect(), freshQueueName()];
    const bell = newBell();
    await queue.send(name, [bell]);
    await queue.send(name, [bell]);
    const receiver = queue.receiver(name);
    await (await received(receiver.receive(WAIT_MS))).complete();
    expect(await receiver.receive(LOOK_MS)).toBeUndefined();
  });

  it("holds a scheduled bell back until its time, and swallows its repetition", async () => {
    const [queue, name] = [connect(), freshQueueName()];
    const enqueueAt = new Date(Date.now() + 400);
    const [later, now] = [newBell({ enqueueAt }), newBell()];
    await queue.send(name, [later, now]);
    await queue.send(name, [later]);
    const receiver = queue.receiver(name);
    expect((await received(receiver.receive(WAIT_MS))).messageId).toBe(now.messageId);
    expect((await received(receiver.receive(WAIT_MS))).messageId).toBe(later.messageId);
    expect(Date.now()).toBeGreaterThanOrEqual(enqueueAt.getTime());
    expect(await receiver.receive(LOOK_MS)).toBeUndefined();
  });

  it("says that the bus is unavailable when nobody listens", async () => {
    const gone = await startLocalServiceBus({ port: 0, topology: busTopology(["gone"]) });
    await gone.close();
    await expect(connect(gone).send("jobs-gone-normal", [newBell()])).rejects.toThrow(UnavailableError);
  });
});

describe("settling", () => {
  it("brings an abandoned message back at once, with the same sequence number", async () => {
    const [queue, name] = [connect(), freshQueueName()];
    await queue.send(name, [newBell()]);
    const receiver = queue.receiver(name);
    const first = await received(receiver.receive(WAIT_MS));
    await first.abandon();
    const again = await received(receiver.receive(WAIT_MS));
    expect(again).toMatchObject({ sequenceNumber: first.sequenceNumber, deliveryCount: 2 });
  });

  it("moves a dead-lettered message aside with its reason", async () => {
    const [queue, name] = [connect(), freshQueueName()];
    const bell = newBell();
    await queue.send(name, [bell]);
    const receiver = queue.receiver(name);
    await (await received(receiver.receive(WAIT_MS))).deadLetter("JobFailed", "x".repeat(10_000));
    expect(await receiver.receive(LOOK_MS)).toBeUndefined();
    const client = connectServiceBus({ kind: "connection-string", serviceBus: bus.connectionString });
    const [letter] = await client.createReceiver(name, { subQueueType: "deadLetter" }).receiveMessages(1);
    expect(letter).toMatchObject({ messageId: bell.messageId, deadLetterReason: "JobFailed" });
    expect(letter?.deadLetterErrorDescription).toHaveLength(4_096);
    await client.close();
  });

  it.each(["complete", "abandon", "dead-letter"])(
    "does to each message what was asked for it, also at the same moment, the first to %s",
    async (first) => {
      const [queue, name] = [connect(), freshQueueName()];
      const others = ["complete", "abandon", "dead-letter", "dead-letter", "complete", "complete", "abandon"];
      const outcomes = [first, ...others];
      const bells = outcomes.map(() => newBell());
      await queue.send(name, bells);
      const receiver = queue.receiver(name);
      const held: Delivery[] = [];
      while (held.length < bells.length) held.push(await received(receiver.receive(WAIT_MS)));
      await Promise.all(
        held.map((delivery, index) => {
          if (outcomes[index] === "complete") return delivery.complete();
          return outcomes[index] === "abandon" ? delivery.abandon() : delivery.deadLetter(`No. ${index}`, "");
        }),
      );
      const idsOf = (outcome: string) =>
        bells.flatMap((bell, index) => (outcomes[index] === outcome ? [bell.messageId] : []));
      const alive = await queue.peek(name, { deadLetter: false, maxCount: 100 });
      expect(alive.map(({ messageId }) => messageId)).toEqual(idsOf("abandon"));
      const dead = await queue.peek(name, { deadLetter: true, maxCount: 100 });
      expect(dead.map(({ messageId }) => messageId)).toEqual(idsOf("dead-letter"));
      expect(dead.map(({ reason }) => reason)).toEqual(
        outcomes.flatMap((outcome, index) => (outcome === "dead-letter" ? [`No. ${index}`] : [])),
      );
    },
  );

  it("hands over a message that is no bell, saying why", async () => {
    const [queue, name] = [connect(), freshQueueName()];
    const client = connectServiceBus({ kind: "connection-string", serviceBus: bus.connectionString });
    const receiver = queue.receiver(name);
    for (const body of ["{not json", { version: 2 }, 42, Buffer.from([0xff, 0x00])]) {
      await client.createSender(name).sendMessages({ body });
      const delivery = await received(receiver.receive(WAIT_MS));
      expect(delivery.parsed.kind).toBe("malformed");
      await delivery.deadLetter("Malformed", "");
    }
    await client.close();
  });

  it("extends the lock on renewal", async () => {
    const [queue, name] = [connect(hastyBus), freshQueueName()];
    await queue.send(name, [newBell()]);
    const delivery = await received(queue.receiver(name).receive(WAIT_MS));
    const renewedUntil = await delivery.renew();
    expect(renewedUntil).toBeGreaterThan(delivery.lockedUntil);
    await delivery.complete();
  });

  it("throws LockLostError once another receiver has the message", async () => {
    const [queue, name] = [connect(hastyBus), freshQueueName()];
    await queue.send(name, [newBell()]);
    const first = await received(queue.receiver(name).receive(WAIT_MS));
    const second = await received(queue.receiver(name).receive(WAIT_MS));
    expect(second).toMatchObject({ sequenceNumber: first.sequenceNumber, deliveryCount: 2 });
    await expect(first.renew()).rejects.toThrow(LockLostError);
    await expect(first.complete()).rejects.toThrow(LockLostError);
    await second.complete();
  });
});

describe("a receiver", () => {
  it("returns nothing after the given wait, and a message as soon as it comes", async () => {
    const [queue, name] = [connect(), freshQueueName()];
    const receiver = queue.receiver(name);
    expect(await receiver.receive(LOOK_MS)).toBeUndefined();
    const waiting = received(receiver.receive(WAIT_MS));
    await queue.send(name, [newBell()]);
    await (await waiting).complete();
  });

  it("returns its waiting call when it is closed, and settles what it has handed out", async () => {
    const [queue, name] = [connect(), freshQueueName()];
    await queue.send(name, [newBell()]);
    const receiver = queue.receiver(name);
    const held = await received(receiver.receive(WAIT_MS));
    const waiting = receiver.receive(WAIT_MS);
    await receiver.close();
    expect(await waiting).toBeUndefined();
    expect(await receiver.receive(WAIT_MS)).toBeUndefined();
    await held.renew();
    await held.complete();
    expect(await queue.receiver(name).receive(LOOK_MS)).toBeUndefined();
  });

  it("leaves no message behind under its lock when it is closed while messages arrive", async () => {
    const [queue, name] = [connect(), freshQueueName()];
    const taken = new Set<string>();
    const take = async (waiting: Promise<Delivery | undefined>): Promise<void> => {
      const delivery = await waiting;
      if (delivery === undefined) return;
      taken.add(delivery.messageId);
      await delivery.complete();
    };
    const bells = Array.from({ length: 60 }, () => newBell());
    for (const [round, bell] of bells.entries()) {
      const receiver = queue.receiver(name);
      // In every other round the link is open and waits; in the others it is still being opened.
      if (round % 2 === 0) await take(receiver.receive(1));
      const waiting = take(receiver.receive(WAIT_MS));
      const sent = queue.send(name, [bell]);
      if (round % 3 === 0) await sent;
      await receiver.close();
      await Promise.all([sent, waiting]);
    }
    // Were one left under its lock, it would come only after a minute.
    const receiver = queue.receiver(name);
    while (taken.size < bells.length) await take(received(receiver.receive(WAIT_MS)));
    expect(await receiver.receive(LOOK_MS)).toBeUndefined();
  });

  it("goes on receiving past the client's window of 2,048 deliveries while one message is held", async () => {
    const [queue, name] = [connect(), freshQueueName()];
    const bells = Array.from({ length: 2_300 }, () => newBell());
    await queue.send(name, bells);
    const receiver = queue.receiver(name);
    const held = await received(receiver.receive(WAIT_MS));
    for (let count = 1; count < bells.length; count++) {
      await (await received(receiver.receive(WAIT_MS))).complete();
    }
    await held.renew();
    await held.complete();
    expect(await receiver.receive(LOOK_MS)).toBeUndefined();
  });
});

describe("a restart of the bus", () => {
  it.each([
    { doing: "nothing", receiving: false },
    { doing: "waiting for a message", receiving: true },
  ])("while a receiver is $doing is survived, with the messages it holds", async ({ receiving }) => {
    await using directory = await temporaryDirectory();
    const topology = busTopology(["restart"], { lockMs: LOCK_MS });
    const start = (port: number): Promise<LocalServiceBus> =>
      startLocalServiceBus({ port, topology, dataDir: directory.path });
    const name = "jobs-restart-normal";
    const first = await start(0);
    const queue = connect(first);
    await queue.send(name, [newBell(), newBell()]);
    const receiver = queue.receiver(name);
    const held = [await received(receiver.receive(WAIT_MS)), await received(receiver.receive(WAIT_MS))];
    const waiting = receiving ? receiver.receive(WAIT_MS).catch(unlessUnavailable) : undefined;

    await first.close();
    const bell = newBell();
    const sent = queue.send(name, [bell]);
    const second = await start(first.port);
    await sent;
    const delivery = (await waiting) ?? (await received(untilAvailable(() => receiver.receive(WAIT_MS))));
    expect(delivery.messageId).toBe(bell.messageId);
    await delivery.complete();
    await held[0]!.renew();
    await held[0]!.complete();
    await held[1]!.abandon();
    expect((await received(receiver.receive(WAIT_MS))).messageId).toBe(held[1]!.messageId);
    await queue.close();
    await second.close();
  });
});

async function untilAvailable(step: () => Promise<Delivery | undefined>): Promise<Delivery | undefined> {
  let delivery: Delivery | undefined;
  while (delivery === undefined) delivery = await step().catch(unlessUnavailable);
  return delivery;
}

function unlessUnavailable(error: unknown): undefined {
  if (!(error instanceof UnavailableError)) throw error;
}
