/** A broker engine with a driven clock, whose records pass through the journal's encoding, and receivers to hold. */
import { Broker } from "../../runtime/local/bus/engine/broker.ts";
import type { Delivery, MessageCodec } from "../../runtime/local/bus/engine/message.ts";
import type { Receiver } from "../../runtime/local/bus/engine/receivers.ts";
import type { BrokerRecord } from "../../runtime/local/bus/engine/records.ts";
import { decodeFrame, encodeFrame } from "../../runtime/local/bus/journal/frame.ts";
import type { BusTopology } from "../../runtime/core/deployment/service-bus.ts";

/** Bodies are JSON objects of application properties; good enough for an engine that never looks into them. */
const jsonCodec: MessageCodec = {
  filterable: (body) => {
    const properties = parseBody(body);
    return {
      system: (name) => properties[`sys.${name}`],
      application: (name) => properties[name],
      newId: () => "new-id",
    };
  },
  withApplicationProperties: (body, changes) => encodeBody({ ...parseBody(body), ...changes }),
  withEdits: (body, { application, system }) =>
    encodeBody({
      ...parseBody(body),
      ...Object.fromEntries(application),
      ...Object.fromEntries([...system].map(([name, value]) => [`sys.${name}`, value])),
    }),
};

export const encodeBody = (properties: Record<string, unknown>): Uint8Array => Buffer.from(JSON.stringify(properties));
export const parseBody = (body: Uint8Array): Record<string, unknown> =>
  JSON.parse(Buffer.from(body).toString("utf8")) as Record<string, unknown>;

export class HeldReceiver implements Receiver {
  credit: number;
  readonly receiveAndDelete: boolean;
  readonly deliveries: Delivery[] = [];
  endedWith: unknown;

  constructor(credit: number, receiveAndDelete = false) {
    this.credit = credit;
    this.receiveAndDelete = receiveAndDelete;
  }

  deliver(delivery: Delivery): void {
    this.deliveries.push(delivery);
  }

  ended(reason: unknown): void {
    this.endedWith = reason;
  }
}

export class TestBus {
  now = 1_000_000;
  broker: Broker;
  #frames: Buffer[] = [];
  #tokens = 0;

  constructor(topology: Partial<BusTopology>) {
    this.broker = this.#newBroker();
    this.run((broker) => broker.applyTopology({ queues: [], topics: [], ...topology }));
  }

  run<T>(command: (broker: Broker) => T): T {
    try {
      return this.broker.execute(this.now, () => command(this.broker));
    } finally {
      this.#log(this.broker.takeRecords());
    }
  }

  advance(milliseconds: number): void {
    this.now += milliseconds;
    this.run(() => undefined);
  }

  /** Attaches a receiver, takes what it gets at once, and detaches it. */
  receive(path: string, count: number, receiveAndDelete = false): Delivery[] {
    const receiver = new HeldReceiver(count, receiveAndDelete);
    this.run((broker) => broker.attachReceiver(path, receiver));
    this.run((broker) => broker.offerCredit(path, receiver));
    this.run((broker) => broker.detachReceiver(path, receiver));
    return receiver.deliveries;
  }

  /** Forgets everything but the records, and starts over from them. */
  crash({ compact }: { readonly compact: boolean }): void {
    if (compact) this.#frames = [encodeFrame([...this.broker.snapshot()])];
    this.broker = this.#newBroker();
    for (const frame of this.#frames) {
      for (const record of decodeFrame(frame, 0)!.records) this.broker.restore(record);
    }
    this.broker.restored(this.now);
  }

  #newBroker(): Broker {
    return new Broker({ codec: jsonCodec, newLockToken: () => `token-${++this.#tokens}` });
  }

  #log(records: readonly BrokerRecord[]): void {
    if (records.length > 0) this.#frames.push(encodeFrame(records));
  }
}
