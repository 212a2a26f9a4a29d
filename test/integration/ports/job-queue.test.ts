/** The contract of core/ports/job-queue.ts, dead letters included. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bellMessageId, bellOf } from "../../../runtime/core/job/bell.ts";
import { InvalidRequestError, LockLostError } from "../../../runtime/core/errors.ts";
import type { ReceivedMessage, JobQueue, OutgoingBell, PeekedMessage } from "../../../runtime/core/ports/job-queue.ts";
import { jobOf } from "../../support/builders.ts";
import type { QueueBacking } from "../../support/stores/memory-queue.ts";
import { QUEUE_BACKINGS } from "../../support/stores/queue-backings.ts";
import { receiveOne } from "../../support/bus/fake-delivery.ts";

const LOCK_MS = 60_000;
const SHORT_LOCK_MS = 3_000;
/** Long enough for anything that does come. */
const WAIT_MS = 10_000;
/** Long enough to see that no message arrives, because the broker has accepted all earlier ones. */
const LOOK_MS = 20;

function newBell(fields: Partial<OutgoingBell> = {}): OutgoingBell {
  const job = jobOf();
  return { bell: bellOf(job, 'W/"1"'), messageId: bellMessageId(job.jobId, 1), ...fields };
}

async function received(delivery: Promise<ReceivedMessage | undefined>): Promise<ReceivedMessage> {
  const message = await delivery;
  if (message === undefined) throw new Error("no message came");
  return message;
}

const newBells = (count: number): OutgoingBell[] => Array.from({ length: count }, () => newBell());

const messageIdsOf = (messages: readonly { readonly messageId: string }[]): string[] =>
  messages.map(({ messageId }) => messageId);

describe.each(QUEUE_BACKINGS)("over $name", ({ start }) => {
  /** A pool, and so three queues, per test. */
  const pools = Array.from({ length: 40 }, (_, index) => `pool${index}`);
  let bus: QueueBacking;
  let hastyBus: QueueBacking;
  beforeAll(async () => {
    bus = await start(pools, LOCK_MS);
    hastyBus = await start(pools, SHORT_LOCK_MS);
  });
  afterAll(async () => {
    await bus[Symbol.asyncDispose]();
    await hastyBus[Symbol.asyncDispose]();
  });
  const freshQueueName = (): string => `jobs-${pools.shift() ?? "none-left"}-normal`;

  describe("sending", () => {
    it("a queue delivers a bell as it was sent, with the data that the protocol needs", async () => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      const bell = newBell();
      const before = Date.now();
      await queue.send(name, [bell]);
      const delivery = await received(receiveOne(queue.receiver(name), WAIT_MS));
      expect(delivery).toMatchObject({
        parsed: { kind: "bell", bell: bell.bell },
        messageId: bell.messageId,
        queue: name,
        deliveryCount: 1,
      });
      expect(delivery.sequenceNumber).toMatch(/^\d+$/);
      expect(delivery.lockedUntil).toBeGreaterThanOrEqual(before + LOCK_MS);
    });

    it("a queue delivers each of many bells once, more than fit into one message", async () => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      const text = JSON.stringify("x".repeat(6_000));
      const bells = Array.from({ length: 200 }, () => {
        const job = jobOf({ parameters: text });
        return { bell: bellOf(job, 'W/"1"'), messageId: bellMessageId(job.jobId, 1) };
      });
      await queue.send(name, bells);
      const receiver = queue.receiver(name);
      const ids: string[] = [];
      while (ids.length < bells.length) {
        const delivery = await received(receiveOne(receiver, WAIT_MS));
        ids.push(delivery.messageId);
        await delivery.complete();
      }
      expect(ids.sort()).toEqual(bells.map(({ messageId }) => messageId).sort());
      expect(await receiveOne(receiver, LOOK_MS)).toBeUndefined();
    });

    it("a bell with a known MessageId is dropped", async () => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      const bell = newBell();
      await queue.send(name, [bell]);
      await queue.send(name, [bell]);
      const receiver = queue.receiver(name);
      await (await received(receiveOne(receiver, WAIT_MS))).complete();
      expect(await receiveOne(receiver, LOOK_MS)).toBeUndefined();
    });

    it("a scheduled bell is delivered at its time, and its repetition is dropped", async () => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      const enqueueAt = new Date(Date.now() + 4_000);
      const [later, now] = [newBell({ enqueueAt }), newBell()];
      await queue.send(name, [later, now]);
      await queue.send(name, [later]);
      const receiver = queue.receiver(name);
      expect((await received(receiveOne(receiver, WAIT_MS))).messageId).toBe(now.messageId);
      expect((await received(receiveOne(receiver, WAIT_MS))).messageId).toBe(later.messageId);
      expect(Date.now()).toBeGreaterThanOrEqual(enqueueAt.getTime());
      expect(await receiveOne(receiver, LOOK_MS)).toBeUndefined();
    });
  });

  describe("settling", () => {
    it("an abandoned message returns at once with the same sequence number", async () => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      await queue.send(name, [newBell()]);
      const receiver = queue.receiver(name);
      const first = await received(receiveOne(receiver, WAIT_MS));
      await first.abandon();
      const again = await received(receiveOne(receiver, WAIT_MS));
      expect(again).toMatchObject({ sequenceNumber: first.sequenceNumber, deliveryCount: 2 });
    });

    it("a dead-lettered message moves to the dead letters with its reason", async () => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      const bell = newBell();
      await queue.send(name, [bell]);
      const receiver = queue.receiver(name);
      await (await received(receiveOne(receiver, WAIT_MS))).deadLetter("JobFailed", "x".repeat(10_000));
      expect(await receiveOne(receiver, LOOK_MS)).toBeUndefined();
      const [letter] = await queue.peek(name, { deadLetter: true, maxCount: 1 });
      expect(letter).toMatchObject({ messageId: bell.messageId, reason: "JobFailed" });
      expect(letter?.description).toHaveLength(4_096);
    });

    it.each(["complete", "abandon", "dead-letter"])(
      "messages that are settled at the same moment get their own outcomes; the first is: %s",
      async (first) => {
        const [queue, name] = [bus.connect(), freshQueueName()];
        const others = ["complete", "abandon", "dead-letter", "dead-letter", "complete", "complete", "abandon"];
        const outcomes = [first, ...others];
        const bells = outcomes.map(() => newBell());
        await queue.send(name, bells);
        const receiver = queue.receiver(name);
        const held: ReceivedMessage[] = [];
        while (held.length < bells.length) held.push(await received(receiveOne(receiver, WAIT_MS)));
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

    it("a message that is not a bell is delivered with the reason", async () => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      const receiver = queue.receiver(name);
      for (const body of ["{not json", { version: 1 }, 42, Buffer.from([0xff, 0x00])]) {
        await bus.post(name, body);
        const delivery = await received(receiveOne(receiver, WAIT_MS));
        expect(delivery.parsed.kind).toBe("malformed");
        await delivery.deadLetter("Malformed", "");
      }
    });

    it("a message of another release is delivered as unreadable", async () => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      await bus.post(name, { version: 2 });
      const delivery = await received(receiveOne(queue.receiver(name), WAIT_MS));
      expect(delivery.parsed).toMatchObject({ kind: "unreadable", format: "bell" });
      await delivery.complete();
    });

    it("a renewal extends the lock of a message", async () => {
      const [queue, name] = [hastyBus.connect(), freshQueueName()];
      await queue.send(name, [newBell()]);
      const delivery = await received(receiveOne(queue.receiver(name), WAIT_MS));
      const renewedUntil = await delivery.renew();
      expect(renewedUntil).toBeGreaterThan(delivery.lockedUntil);
      await delivery.complete();
    });

    it("settling throws LockLostError when another receiver has the message", async () => {
      const [queue, name] = [hastyBus.connect(), freshQueueName()];
      await queue.send(name, [newBell()]);
      const first = await received(receiveOne(queue.receiver(name), WAIT_MS));
      const second = await received(receiveOne(queue.receiver(name), WAIT_MS));
      expect(second).toMatchObject({ sequenceNumber: first.sequenceNumber, deliveryCount: 2 });
      await expect(first.renew()).rejects.toThrow(LockLostError);
      await expect(first.complete()).rejects.toThrow(LockLostError);
      await second.complete();
    });
  });

  describe("a receiver", () => {
    it("a receiver returns a message when it arrives, and nothing after the given wait", async () => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      const receiver = queue.receiver(name);
      expect(await receiveOne(receiver, LOOK_MS)).toBeUndefined();
      const waiting = received(receiveOne(receiver, WAIT_MS));
      await queue.send(name, [newBell()]);
      await (await waiting).complete();
    });

    it("closing a receiver ends its waiting call, and its messages can still be settled", async () => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      await queue.send(name, [newBell()]);
      const receiver = queue.receiver(name);
      const held = await received(receiveOne(receiver, WAIT_MS));
      const waiting = receiveOne(receiver, WAIT_MS);
      await receiver.close();
      expect(await waiting).toBeUndefined();
      expect(await receiveOne(receiver, WAIT_MS)).toBeUndefined();
      await held.renew();
      await held.complete();
      expect(await receiveOne(queue.receiver(name), LOOK_MS)).toBeUndefined();
    });

    it("closing a receiver while messages arrive leaves none of them locked", async () => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      const taken = new Set<string>();
      const take = async (waiting: Promise<ReceivedMessage | undefined>): Promise<void> => {
        const delivery = await waiting;
        if (delivery === undefined) return;
        taken.add(delivery.messageId);
        await delivery.complete();
      };
      const bells = Array.from({ length: 60 }, () => newBell());
      for (const [round, bell] of bells.entries()) {
        const receiver = queue.receiver(name);
        // In every other round the link is open and waits; in the others it is still being opened.
        if (round % 2 === 0) await take(receiveOne(receiver, 1));
        const waiting = take(receiveOne(receiver, WAIT_MS));
        const sent = queue.send(name, [bell]);
        if (round % 3 === 0) await sent;
        await receiver.close();
        await Promise.all([sent, waiting]);
      }
      // Were one left under its lock, it would come only after a minute.
      const receiver = queue.receiver(name);
      while (taken.size < bells.length) await take(received(receiveOne(receiver, WAIT_MS)));
      expect(await receiveOne(receiver, LOOK_MS)).toBeUndefined();
    });
  });

  /** Sends bells and dead-letters them; resolves to their MessageIds, oldest letter first. */
  async function deadLetter(queue: JobQueue, name: string, count: number): Promise<readonly string[]> {
    await queue.send(name, newBells(count));
    const receiver = queue.receiver(name);
    const ids: string[] = [];
    while (ids.length < count) {
      const delivery = await receiveOne(receiver, WAIT_MS);
      if (delivery === undefined) throw new Error("no message came");
      await delivery.deadLetter("JobFailed", `No. ${ids.length}`);
      ids.push(delivery.messageId);
    }
    await receiver.close();
    return ids;
  }

  /** Looks at everything, page by page. */
  async function peekAll(queue: JobQueue, name: string, deadLetter: boolean, maxCount: number) {
    const pages: (readonly PeekedMessage[])[] = [];
    let fromSequenceNumber: string | undefined;
    for (;;) {
      const page = await queue.peek(name, { deadLetter, fromSequenceNumber, maxCount });
      const last = page.at(-1);
      if (last === undefined) return pages;
      pages.push(page);
      fromSequenceNumber = String(BigInt(last.sequenceNumber) + 1n);
    }
  }

  describe("peeking", () => {
    it("peeking shows a bell as it was sent, any number of times, and locks none", async () => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      const before = Date.now();
      const bell = newBell();
      await queue.send(name, [bell]);
      for (let look = 0; look < 2; look++) {
        const [message, ...more] = await queue.peek(name, { deadLetter: false, maxCount: 10 });
        expect(more).toEqual([]);
        expect(message).toMatchObject({ parsed: { kind: "bell", bell: bell.bell }, messageId: bell.messageId });
        expect(message).toMatchObject({ reason: undefined, description: undefined });
        expect(message!.enqueuedAt.getTime()).toBeGreaterThanOrEqual(before - 1_000);
      }
      const delivery = await receiveOne(queue.receiver(name), WAIT_MS);
      expect(delivery?.deliveryCount).toBe(1);
      const [locked] = await queue.peek(name, { deadLetter: false, maxCount: 1 });
      expect(locked?.sequenceNumber).toBe(delivery?.sequenceNumber);
      await delivery?.complete();
      expect(await queue.peek(name, { deadLetter: false, maxCount: 1 })).toEqual([]);
    });

    it.each([250, 100, 1_000])("peeking reads 700 messages in order, in pages of at most %d", async (maxCount) => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      const bells = newBells(700);
      await queue.send(name, bells);
      const pages = await peekAll(queue, name, false, maxCount);
      for (const page of pages) expect(page.length).toBeLessThanOrEqual(Math.min(maxCount, 250));
      expect(messageIdsOf(pages.flat()).sort()).toEqual(messageIdsOf(bells).sort());
      const numbers = pages.flat().map(({ sequenceNumber }) => BigInt(sequenceNumber));
      expect(numbers.every((number, index) => index === 0 || number > numbers[index - 1]!)).toBe(true);
    });

    it("peeking shows scheduled bells too", async () => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      const later = newBell({ enqueueAt: new Date(Date.now() + 60_000) });
      await queue.send(name, [later]);
      expect(messageIdsOf(await queue.peek(name, { deadLetter: false, maxCount: 1 }))).toEqual([later.messageId]);
    });

    it("peeking shows dead letters with their reasons, separate from the queue's messages", async () => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      const ids = await deadLetter(queue, name, 3);
      const alive = newBell();
      await queue.send(name, [alive]);
      const letters = await queue.peek(name, { deadLetter: true, maxCount: 10 });
      expect(letters.map(({ messageId, reason, description }) => ({ messageId, reason, description }))).toEqual(
        ids.map((messageId, index) => ({ messageId, reason: "JobFailed", description: `No. ${index}` })),
      );
      expect(messageIdsOf(await queue.peek(name, { deadLetter: false, maxCount: 10 }))).toEqual([alive.messageId]);
    });

    it("peeking shows a message that is not a bell with the reason", async () => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      await bus.post(name, { version: 99 });
      await bus.post(name, { version: 1 });
      const messages = await queue.peek(name, { deadLetter: false, maxCount: 2 });
      expect(messages.map(({ parsed }) => parsed.kind)).toEqual(["unreadable", "malformed"]);
    });

    it("peeking finds nothing after the last message, and refuses an invalid sequence number", async () => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      await queue.send(name, [newBell()]);
      const from = (fromSequenceNumber: string) =>
        queue.peek(name, { deadLetter: false, fromSequenceNumber, maxCount: 5 });
      expect(await from("9007199254740993")).toEqual([]);
      for (const text of ["", "x", "-1", "1.5", "0x1", "9223372036854775808", "01"]) {
        await expect(from(text)).rejects.toThrow(InvalidRequestError);
      }
    });
  });

  describe("taking dead letters", () => {
    it("taking dead letters returns the oldest, at most the requested number; completed ones disappear, abandoned ones stay", async () => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      const ids = await deadLetter(queue, name, 5);
      const [first, second, third, ...more] = await queue.takeDeadLetters(name, 3);
      expect(more).toEqual([]);
      expect(messageIdsOf([first!, second!, third!])).toEqual(ids.slice(0, 3));
      expect(first).toMatchObject({ queue: name, parsed: { kind: "bell" } });
      await Promise.all([first!.complete(), second!.abandon(), third!.complete()]);
      const rest = await queue.takeDeadLetters(name, 100);
      expect(messageIdsOf(rest)).toEqual([ids[1], ids[3], ids[4]]);
      for (const letter of rest) await letter.complete();
      expect(await queue.peek(name, { deadLetter: true, maxCount: 10 })).toEqual([]);
    });

    it("taking dead letters does not wait if there are none", async () => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      // The first call also connects.
      await queue.takeDeadLetters(name, 10);
      const before = performance.now();
      expect(await queue.takeDeadLetters(name, 10)).toEqual([]);
      expect(performance.now() - before).toBeLessThan(900);
    });

    it("taking dead letters returns more than one peek shows, each once", async () => {
      const [queue, name] = [bus.connect(), freshQueueName()];
      const ids = await deadLetter(queue, name, 600);
      const taken = await queue.takeDeadLetters(name, 1_000);
      expect(messageIdsOf(taken)).toEqual(ids);
      await Promise.all(taken.map((letter, index) => (index % 2 === 0 ? letter.complete() : letter.abandon())));
      const pages = await peekAll(queue, name, true, 250);
      expect(messageIdsOf(pages.flat())).toEqual(ids.filter((_, index) => index % 2 === 1));
    });

    it("concurrent takers of dead letters get each letter once", async () => {
      const [one, two, name] = [bus.connect(), bus.connect(), freshQueueName()];
      const ids = await deadLetter(one, name, 40);
      const taken = await Promise.all([one.takeDeadLetters(name, 40), two.takeDeadLetters(name, 40)]);
      expect(messageIdsOf(taken.flat()).sort()).toEqual([...ids].sort());
      await Promise.all(taken.flat().map((letter) => letter.complete()));
    });

    it("taken dead letters return when their lock ends, unless it is renewed", async () => {
      const [queue, name] = [hastyBus.connect(), freshQueueName()];
      const ids = await deadLetter(queue, name, 1);
      const [held] = await queue.takeDeadLetters(name, 1);
      // A renewal within the same millisecond ends when the lock did.
      expect(await held!.renew()).toBeGreaterThanOrEqual(held!.lockedUntil);
      const [again] = await untilSome(() => queue.takeDeadLetters(name, 1));
      expect(again?.messageId).toBe(ids[0]);
      await expect(held!.complete()).rejects.toThrow(LockLostError);
      await again!.complete();
    });
  });

  async function untilSome<T>(take: () => Promise<readonly T[]>): Promise<readonly T[]> {
    for (;;) {
      const taken = await take();
      if (taken.length > 0) return taken;
    }
  }
});
