/** Looking at the messages of a queue and at its dead letters, and taking those under lock. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectServiceBus, createJobQueue } from "../../../runtime/azure/index.ts";
import { bellMessageId, bellOf } from "../../../runtime/core/bell.ts";
import { InvalidRequestError, LockLostError, UnavailableError } from "../../../runtime/core/errors.ts";
import type { JobQueue, OutgoingBell, PeekedMessage } from "../../../runtime/core/ports/job-queue.ts";
import { busTopology } from "../../../runtime/core/topology.ts";
import { type LocalServiceBus, startLocalServiceBus } from "../../../runtime/local/bus/index.ts";
import { jobOf } from "../../support/builders.ts";

const WAIT_MS = 10_000;
/** A pool, and so three queues, per test. */
const POOLS = Array.from({ length: 20 }, (_, index) => `pool${index}`);
let bus: LocalServiceBus;
let hastyBus: LocalServiceBus;
const queues: JobQueue[] = [];

beforeAll(async () => {
  bus = await startLocalServiceBus({ port: 0, topology: busTopology(POOLS) });
  hastyBus = await startLocalServiceBus({ port: 0, topology: busTopology(POOLS, { lockMs: 300 }) });
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

const newBells = (count: number): OutgoingBell[] => Array.from({ length: count }, () => newBell());

const messageIdsOf = (messages: readonly { readonly messageId: string }[]): string[] =>
  messages.map(({ messageId }) => messageId);

/** Sends bells and dead-letters them; resolves to their MessageIds, oldest letter first. */
async function deadLetter(queue: JobQueue, name: string, count: number): Promise<readonly string[]> {
  await queue.send(name, newBells(count));
  const receiver = queue.receiver(name);
  const ids: string[] = [];
  while (ids.length < count) {
    const delivery = await receiver.receive(WAIT_MS);
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
  it("shows a bell as it was sent, as often as one looks, and locks none", async () => {
    const [queue, name] = [connect(), freshQueueName()];
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
    const delivery = await queue.receiver(name).receive(WAIT_MS);
    expect(delivery?.deliveryCount).toBe(1);
    const [locked] = await queue.peek(name, { deadLetter: false, maxCount: 1 });
    expect(locked?.sequenceNumber).toBe(delivery?.sequenceNumber);
    await delivery?.complete();
    expect(await queue.peek(name, { deadLetter: false, maxCount: 1 })).toEqual([]);
  });

  it.each([250, 100, 1_000])("goes through 700 messages in pages of %d at most, in order", async (maxCount) => {
    const [queue, name] = [connect(), freshQueueName()];
    const bells = newBells(700);
    await queue.send(name, bells);
    const pages = await peekAll(queue, name, false, maxCount);
    for (const page of pages) expect(page.length).toBeLessThanOrEqual(Math.min(maxCount, 250));
    expect(messageIdsOf(pages.flat()).sort()).toEqual(messageIdsOf(bells).sort());
    const numbers = pages.flat().map(({ sequenceNumber }) => BigInt(sequenceNumber));
    expect(numbers.every((number, index) => index === 0 || number > numbers[index - 1]!)).toBe(true);
  });

  it("shows scheduled bells too", async () => {
    const [queue, name] = [connect(), freshQueueName()];
    const later = newBell({ enqueueAt: new Date(Date.now() + 60_000) });
    await queue.send(name, [later]);
    expect(messageIdsOf(await queue.peek(name, { deadLetter: false, maxCount: 1 }))).toEqual([later.messageId]);
  });

  it("shows dead letters with why they died, apart from the queue's messages", async () => {
    const [queue, name] = [connect(), freshQueueName()];
    const ids = await deadLetter(queue, name, 3);
    const alive = newBell();
    await queue.send(name, [alive]);
    const letters = await queue.peek(name, { deadLetter: true, maxCount: 10 });
    expect(letters.map(({ messageId, reason, description }) => ({ messageId, reason, description }))).toEqual(
      ids.map((messageId, index) => ({ messageId, reason: "JobFailed", description: `No. ${index}` })),
    );
    expect(messageIdsOf(await queue.peek(name, { deadLetter: false, maxCount: 10 }))).toEqual([alive.messageId]);
  });

  it("shows what is no bell, saying why", async () => {
    const [queue, name] = [connect(), freshQueueName()];
    const client = connectServiceBus({ kind: "connection-string", serviceBus: bus.connectionString });
    await client.createSender(name).sendMessages({ body: { version: 99 } });
    const [message] = await queue.peek(name, { deadLetter: false, maxCount: 1 });
    expect(message?.parsed.kind).toBe("malformed");
    await client.close();
  });

  it("finds nothing after the last, and refuses what is no sequence number", async () => {
    const [queue, name] = [connect(), freshQueueName()];
    await queue.send(name, [newBell()]);
    const from = (fromSequenceNumber: string) =>
      queue.peek(name, { deadLetter: false, fromSequenceNumber, maxCount: 5 });
    expect(await from("9007199254740993")).toEqual([]);
    for (const text of ["", "x", "-1", "1.5", "0x1", "9223372036854775808", "01"]) {
      await expect(from(text)).rejects.toThrow(InvalidRequestError);
    }
  });

  it("says that the bus is unavailable when nobody listens", async () => {
    const gone = await startLocalServiceBus({ port: 0, topology: busTopology(["gone"]) });
    await gone.close();
    const peeking = connect(gone).peek("jobs-gone-normal", { deadLetter: true, maxCount: 1 });
    await expect(peeking).rejects.toThrow(UnavailableError);
  });
});

describe("taking dead letters", () => {
  it("gives the oldest, no more than asked; completed ones are gone, abandoned ones stay", async () => {
    const [queue, name] = [connect(), freshQueueName()];
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

  it("waits for nothing when there are none", async () => {
    const [queue, name] = [connect(), freshQueueName()];
    const before = performance.now();
    expect(await queue.takeDeadLetters(name, 10)).toEqual([]);
    expect(performance.now() - before).toBeLessThan(900);
  });

  it("takes more than one look shows, each once", async () => {
    const [queue, name] = [connect(), freshQueueName()];
    const ids = await deadLetter(queue, name, 600);
    const taken = await queue.takeDeadLetters(name, 1_000);
    expect(messageIdsOf(taken)).toEqual(ids);
    await Promise.all(taken.map((letter, index) => (index % 2 === 0 ? letter.complete() : letter.abandon())));
    const pages = await peekAll(queue, name, true, 250);
    expect(messageIdsOf(pages.flat())).toEqual(ids.filter((_, index) => index % 2 === 1));
  });

  it("gives each to one of several who take at once", async () => {
    const [one, two, name] = [connect(), connect(), freshQueueName()];
    const ids = await deadLetter(one, name, 40);
    const taken = await Promise.all([one.takeDeadLetters(name, 40), two.takeDeadLetters(name, 40)]);
    expect(messageIdsOf(taken.flat()).sort()).toEqual([...ids].sort());
    await Promise.all(taken.flat().map((letter) => letter.complete()));
  });

  it("holds them no longer than a lock lasts, unless it is renewed", async () => {
    const [queue, name] = [connect(hastyBus), freshQueueName()];
    const ids = await deadLetter(queue, name, 1);
    const [held] = await queue.takeDeadLetters(name, 1);
    expect(await held!.renew()).toBeGreaterThan(held!.lockedUntil);
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
