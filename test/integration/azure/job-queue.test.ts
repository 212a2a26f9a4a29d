/** The queue over its connection: what the port promises is in ports/job-queue.test.ts. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectServiceBus, createJobQueue } from "../../../runtime/azure/index.ts";
import { bellMessageId, bellOf } from "../../../runtime/core/job/bell.ts";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import type { ReceivedMessage, JobQueue, OutgoingBell } from "../../../runtime/core/ports/job-queue.ts";
import { busTopology } from "../../../runtime/core/deployment/topology.ts";
import { type LocalServiceBus, startLocalServiceBus } from "../../../runtime/local/bus/index.ts";
import { jobOf } from "../../support/builders.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { receiveOne } from "../../support/bus/fake-delivery.ts";

const LOCK_MS = 60_000;
/** Long enough for anything that does come. */
const WAIT_MS = 10_000;
/** Long enough to see that nothing comes: what was sent before has been accepted. */
const LOOK_MS = 20;

/** A pool, and so three queues, per test. */
const POOLS = Array.from({ length: 20 }, (_, index) => `pool${index}`);
let bus: LocalServiceBus;
const queues: JobQueue[] = [];

beforeAll(async () => {
  bus = await startLocalServiceBus({ port: 0, topology: busTopology(POOLS, { lockMs: LOCK_MS }) });
});

afterAll(async () => {
  await Promise.all(queues.map((queue) => queue.close()));
  await bus.close();
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

async function received(delivery: Promise<ReceivedMessage | undefined>): Promise<ReceivedMessage> {
  const message = await delivery;
  if (message === undefined) throw new Error("no message came");
  return message;
}

describe("a bus that is away", () => {
  it("makes sending fail as unavailable", async () => {
    const gone = await startLocalServiceBus({ port: 0, topology: busTopology(["gone"]) });
    await gone.close();
    await expect(connect(gone).send("jobs-gone-normal", [newBell()])).rejects.toThrow(UnavailableError);
  });

  it("makes peeking fail as unavailable", async () => {
    const gone = await startLocalServiceBus({ port: 0, topology: busTopology(["gone"]) });
    await gone.close();
    const peeking = connect(gone).peek("jobs-gone-normal", { deadLetter: true, maxCount: 1 });
    await expect(peeking).rejects.toThrow(UnavailableError);
  });
});

describe("a receiver", () => {
  it("goes on receiving past the client's window of 2,048 deliveries while one message is held", async () => {
    const [queue, name] = [connect(), freshQueueName()];
    const bells = Array.from({ length: 2_300 }, () => newBell());
    await queue.send(name, bells);
    const receiver = queue.receiver(name);
    const held = await received(receiveOne(receiver, WAIT_MS));
    for (let count = 1; count < bells.length; count++) {
      await (await received(receiveOne(receiver, WAIT_MS))).complete();
    }
    await held.renew();
    await held.complete();
    expect(await receiveOne(receiver, LOOK_MS)).toBeUndefined();
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
    const held = [await received(receiveOne(receiver, WAIT_MS)), await received(receiveOne(receiver, WAIT_MS))];
    const waiting = receiving ? receiveOne(receiver, WAIT_MS).catch(unlessUnavailable) : undefined;

    await first.close();
    const bell = newBell();
    const sent = queue.send(name, [bell]);
    const second = await start(first.port);
    await sent;
    const delivery = (await waiting) ?? (await received(untilAvailable(() => receiveOne(receiver, WAIT_MS))));
    expect(delivery.messageId).toBe(bell.messageId);
    await delivery.complete();
    await held[0]!.renew();
    await held[0]!.complete();
    await held[1]!.abandon();
    expect((await received(receiveOne(receiver, WAIT_MS))).messageId).toBe(held[1]!.messageId);
    await queue.close();
    await second.close();
  });
});

async function untilAvailable(step: () => Promise<ReceivedMessage | undefined>): Promise<ReceivedMessage | undefined> {
  let delivery: ReceivedMessage | undefined;
  while (delivery === undefined) delivery = await step().catch(unlessUnavailable);
  return delivery;
}

function unlessUnavailable(error: unknown): undefined {
  if (!(error instanceof UnavailableError)) throw error;
}
