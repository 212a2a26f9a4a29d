/**
 * Traffic on one queue through the real SDK, and a ledger of what the bus has promised: an acknowledged message must
 * arrive, a settled message must not come back, and while a lock is valid no other receiver may get the message.
 */
import {
  ServiceBusClient,
  ServiceBusError,
  type ServiceBusReceivedMessage,
  type ServiceBusReceiver,
} from "@azure/service-bus";

const QUEUE = "chaos";
const LOCK_MS = 2_000;
export const chaosTopology = {
  queues: [{ name: QUEUE, lockMs: LOCK_MS, maxDeliveryCount: 2_000, duplicateWindowMs: 600_000 }],
};

const IMPATIENT = { retryOptions: { maxRetries: 0, timeoutInMs: 2_000, retryDelayInMs: 50, maxRetryDelayInMs: 200 } };

const TOO_LATE: readonly string[] = ["MessageLockLost", "ServiceTimeout"];

interface Sighting {
  readonly sequenceNumber: string;
  /** Until when no other receiver may get the message. 0 when its receiver has settled it, or may have. */
  lockedUntil: number;
}

export class Ledger {
  readonly acknowledged = new Set<string>();
  readonly settled = new Set<string>();
  /** Settlements without an answer. The bus may have executed them. */
  readonly maybeSettled = new Set<string>();
  readonly sightings = new Map<string, Sighting>();
  readonly violations: string[] = [];
  deliveries = 0;
  #sent = 0;

  nextId(): string {
    return `m-${++this.#sent}`;
  }

  /** One of the acknowledged ids. Sending it again must change nothing. */
  anyAcknowledged(): string | undefined {
    const ids = [...this.acknowledged];
    return ids[Math.floor(Math.random() * ids.length)];
  }

  delivered(message: ServiceBusReceivedMessage): void {
    this.deliveries++;
    const id = String(message.messageId);
    const before = this.sightings.get(id);
    const now = Date.now();
    const sequenceNumber = message.sequenceNumber?.toString() ?? "";
    if (this.settled.has(id)) this.violations.push(`${id} was settled and came back`);
    if (before && before.lockedUntil > now) {
      this.violations.push(`${id} was delivered again ${before.lockedUntil - now} ms before its lock ended`);
    }
    if (before && before.sequenceNumber !== sequenceNumber) {
      this.violations.push(`${id} changed its sequence number from ${before.sequenceNumber} to ${sequenceNumber}`);
    }
    this.sightings.set(id, { sequenceNumber, lockedUntil: message.lockedUntilUtc?.getTime() ?? 0 });
  }

  /** Acknowledged messages that never arrived, once the queue is empty. */
  missing(): string[] {
    return [...this.acknowledged].filter((id) => !this.sightings.has(id));
  }
}

export interface LoadOptions {
  readonly connectionString: string;
  readonly ledger: Ledger;
  readonly clientCount: number;
  readonly senderCount: number;
}

export interface Load {
  /** Resolves when every link has worked once, or failed. */
  readonly established: Promise<unknown>;
  /** Stops starting new operations, waits for those that run, and closes the clients. */
  stop(): Promise<void>;
}

export function startLoad({ connectionString, ledger, clientCount, senderCount }: LoadOptions): Load {
  let stopped = false;
  const clients = Array.from({ length: clientCount }, () => new ServiceBusClient(connectionString, IMPATIENT));
  const running: Promise<unknown>[] = [];
  const first: Promise<void>[] = [];
  const start = (run: (begun: () => void) => Promise<void>): void => {
    first.push(
      new Promise((begun) => {
        running.push(run(begun).finally(begun));
      }),
    );
  };
  for (let index = 0; index < senderCount; index++) {
    const client = clients[index % clients.length] as ServiceBusClient;
    start((begun) => sendUntil(client, ledger, begun, () => stopped));
  }
  for (const client of clients) {
    const receiver = client.createReceiver(QUEUE, { maxAutoLockRenewalDurationInMs: 0 });
    start((begun) => receiveUntil(receiver, ledger, begun, () => stopped));
  }
  return {
    established: Promise.all(first),
    stop: async () => {
      stopped = true;
      // Closing first would make settlements wait for the SDK's longest timeout.
      await Promise.allSettled(running);
      await Promise.allSettled(clients.map((client) => client.close()));
    },
  };
}

async function sendUntil(
  client: ServiceBusClient,
  ledger: Ledger,
  begun: () => void,
  stopped: () => boolean,
): Promise<void> {
  const sender = client.createSender(QUEUE);
  while (!stopped()) {
    const ids = Array.from({ length: Math.random() < 0.3 ? 10 : 1 }, () => ledger.nextId());
    const again = Math.random() < 0.1 ? ledger.anyAcknowledged() : undefined;
    if (again !== undefined) ids.push(again);
    try {
      await sender.sendMessages(ids.map((id) => ({ body: { id }, messageId: id })));
      for (const id of ids) ledger.acknowledged.add(id);
      begun();
    } catch {
      // Not acknowledged, so it may or may not have arrived. The connection is probably gone.
      return;
    }
  }
}

async function receiveUntil(
  receiver: ServiceBusReceiver,
  ledger: Ledger,
  begun: () => void,
  stopped: () => boolean,
): Promise<void> {
  while (!stopped()) {
    try {
      const messages = await receiver.receiveMessages(5, { maxWaitTimeInMs: 200 });
      begun();
      for (const message of messages) ledger.delivered(message);
      // One at a time: the SDK's rhea gives a delivery the outcome of one that is settled before it in the same turn,
      // so a completion next to an abandonment may abandon.
      for (const message of messages) await settle(receiver, message, ledger);
    } catch {
      // The connection is broken. The round is about to end.
      return;
    }
  }
}

async function settle(receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage, ledger: Ledger): Promise<void> {
  const id = String(message.messageId);
  const choice = Math.random();
  if (choice < 0.1) return;
  const sighting = ledger.sightings.get(id);
  // From here on its lock may end at any moment, with or without an answer.
  if (sighting) sighting.lockedUntil = 0;
  if (choice < 0.2) {
    await receiver.abandonMessage(message);
    return;
  }
  ledger.maybeSettled.add(id);
  await receiver.completeMessage(message);
  ledger.settled.add(id);
}

/** Completes all remaining messages. It waits for locks of receivers that have ended. */
export async function drainAll(connectionString: string, ledger: Ledger): Promise<void> {
  const client = new ServiceBusClient(connectionString, IMPATIENT);
  try {
    const receiver = client.createReceiver(QUEUE, { maxAutoLockRenewalDurationInMs: 0 });
    for (;;) {
      const messages = await receiver.receiveMessages(50, { maxWaitTimeInMs: 500 });
      for (const message of messages) ledger.delivered(message);
      await Promise.all(
        messages.map(async (message) => {
          try {
            await receiver.completeMessage(message);
            ledger.settled.add(String(message.messageId));
          } catch (error) {
            // On a busy machine a lock may end before, or the answer comes too late. Then the message may come again.
            if (!(error instanceof ServiceBusError) || !TOO_LATE.includes(error.code)) throw error;
          }
        }),
      );
      if (messages.length === 0 && (await client.createReceiver(QUEUE).peekMessages(1)).length === 0) return;
    }
  } finally {
    await client.close();
  }
}
