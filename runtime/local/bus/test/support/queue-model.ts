/**
 * A simple reference model of one queue, and commands that run against it and the broker. After each command, both must
 * agree about every message.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { BusError } from "../../engine/errors.ts";
import type { Settlement } from "../../engine/settlement.ts";
import { encodeBody, parseBody, type TestBus } from "./engine.ts";
import { commandsWith, type ModelCommand } from "./model-command.ts";

const QUEUE = "q";
const DEAD_LETTERS = "q/$DeadLetterQueue";
const LOCK_MS = 1_000;
const MAX_DELIVERIES = 4;
const WINDOW_MS = 3_000;

export const modelTopology = {
  queues: [
    {
      name: QUEUE,
      lockMs: LOCK_MS,
      maxDeliveryCount: MAX_DELIVERIES,
      duplicateWindowMs: WINDOW_MS,
      deadLetterOnExpiry: true,
    },
  ],
};

interface ModelMessage {
  readonly seq: number;
  readonly id: string;
  readonly expiresAt: number;
  readonly ttl: number | undefined;
  readonly scheduledAt: number | undefined;
  deferred: boolean;
  deliveries: number;
  lockedUntil: number | undefined;
}

interface Held {
  readonly seq: number;
  readonly token: string;
}

export class QueueModel {
  now: number;
  lastSeq = 0;
  messages: ModelMessage[] = [];
  /** Ids of dead letters, oldest first. */
  dead: string[] = [];
  seen = new Map<string, number>();
  /** Every token that was ever given out, valid or not. */
  held: Held[] = [];
  commands = 0;

  constructor(now: number) {
    this.now = now;
  }

  add(id: string, ttl: number | undefined, scheduledAt: number | undefined): void {
    const last = this.seen.get(id);
    if (last !== undefined && this.now - last < WINDOW_MS) return;
    this.seen.set(id, this.now);
    this.#append(id, ttl, scheduledAt);
  }

  #append(id: string, ttl: number | undefined, scheduledAt: number | undefined): void {
    const waits = scheduledAt !== undefined && scheduledAt > this.now;
    const expiresAt = ttl === undefined || waits ? Infinity : this.now + ttl;
    this.messages.push({
      ...{ seq: ++this.lastSeq, id, ttl, expiresAt, scheduledAt: waits ? scheduledAt : undefined },
      ...{ deferred: false, deliveries: 0, lockedUntil: undefined },
    });
  }

  available(): ModelMessage[] {
    return this.messages
      .filter((each) => each.scheduledAt === undefined && !each.deferred && each.lockedUntil === undefined)
      .sort((a, b) => a.seq - b.seq);
  }

  remove(message: ModelMessage): void {
    this.messages = this.messages.filter((each) => each !== message);
  }

  die(message: ModelMessage): void {
    this.remove(message);
    this.dead.push(message.id);
  }

  release(message: ModelMessage): void {
    message.deliveries++;
    this.giveBack(message);
  }

  giveBack(message: ModelMessage): void {
    message.lockedUntil = undefined;
    if (message.expiresAt <= this.now) this.die(message);
    else if (!message.deferred && message.deliveries >= MAX_DELIVERIES) this.die(message);
  }

  holder({ seq, token }: Held): ModelMessage | undefined {
    const message = this.messages.find((each) => each.seq === seq && each.lockedUntil !== undefined);
    // A message that was delivered again is locked by its newest token only.
    return message && this.held.findLast((each) => each.seq === seq)?.token === token ? message : undefined;
  }

  /** The same order as the broker: scheduled messages, then locks, then expiry. */
  advance(milliseconds: number): void {
    this.now += milliseconds;
    const due = this.messages.filter(({ scheduledAt = Infinity }) => scheduledAt <= this.now);
    for (const message of due.sort((a, b) => (a.scheduledAt ?? 0) - (b.scheduledAt ?? 0) || a.seq - b.seq)) {
      this.remove(message);
      this.#append(message.id, message.ttl, undefined);
    }
    for (const message of [...this.messages]) if ((message.lockedUntil ?? Infinity) <= this.now) this.release(message);
    for (const message of [...this.messages]) {
      if (message.expiresAt <= this.now && message.lockedUntil === undefined) this.die(message);
    }
  }
}

/** Both sides hold the same messages in the same states. */
function agree(model: QueueModel, bus: TestBus): void {
  model.commands++;
  const peeked = bus.run((broker) => broker.peek(QUEUE, { from: 0, count: 10_000 }));
  const ids = (found: readonly { readonly body: Uint8Array }[]): unknown[] =>
    found.map(({ body }) => parseBody(body)["id"]);
  assert.deepEqual(
    peeked.map((each) => [each.sequenceNumber, each.status, each.deliveryCount, parseBody(each.body)["id"]]),
    model.messages.map((each) => [each.seq, statusOf(each), each.deliveries, each.id]),
  );
  const store = bus.broker.entities.store(QUEUE);
  const deferred = model.messages.filter((each) => each.deferred).length;
  const scheduled = model.messages.filter((each) => each.scheduledAt !== undefined).length;
  assert.deepEqual(
    [store.activeCount, store.deferredCount, store.scheduledCount, store.locked.size],
    [model.messages.length - deferred - scheduled, deferred, scheduled, locked(model).length],
  );
  const dead = ids(bus.run((broker) => broker.peek(DEAD_LETTERS, { from: 0, count: 10_000 })));
  assert.deepEqual([...dead].sort(), [...model.dead].sort());
}

const statusOf = (message: ModelMessage): string =>
  message.scheduledAt !== undefined ? "scheduled" : message.deferred ? "deferred" : "active";

const locked = (model: QueueModel): ModelMessage[] => model.messages.filter((each) => each.lockedUntil !== undefined);

type Command = ModelCommand<QueueModel>;

const command = commandsWith<QueueModel>((model, bus) => agree(model, bus));

/** The code of the error, or undefined when the command succeeded. */
function refusal(action: () => void): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof BusError) return error.code;
    throw error;
  }
}

const send = (ids: readonly number[], ttl: number | undefined, delay: number): Command =>
  command(`send ${ids.join()} ttl=${ttl} delay=${delay}`, (model, bus) => {
    const scheduledAt = delay > 0 ? model.now + delay : undefined;
    const messages = ids.map((id) => ({
      body: encodeBody({ id: String(id) }),
      messageId: String(id),
      ...(ttl !== undefined && { timeToLiveMs: ttl }),
      ...(scheduledAt !== undefined && { scheduledAt }),
    }));
    bus.run((broker) => broker.send(QUEUE, messages));
    for (const id of ids) model.add(String(id), ttl, scheduledAt);
  });

const receive = (count: number, remove: boolean): Command =>
  command(`receive ${count} remove=${remove}`, (model, bus) => {
    const expected = model.available().slice(0, count);
    const received = bus.receive(QUEUE, count, remove);
    assert.deepEqual(
      received.map((each) => each.sequenceNumber),
      expected.map((each) => each.seq),
    );
    received.forEach((delivery, index) => {
      const message = expected[index]!;
      if (remove) model.remove(message);
      else hold(model, message, delivery.lock!.token, delivery.lock!.until);
    });
  });

function hold(model: QueueModel, message: ModelMessage, token: string, until: number): void {
  assert.equal(message.lockedUntil, undefined, "a message was given to two holders");
  assert.equal(until, model.now + LOCK_MS);
  message.lockedUntil = until;
  model.held.push({ seq: message.seq, token });
}

const settle = (pick: number, kind: Settlement["kind"]): Command =>
  command(`${kind} ${pick}`, (model, bus) => {
    const held = model.held[pick % model.held.length];
    if (!held) return;
    const message = model.holder(held);
    const code = refusal(() => bus.run((broker) => broker.settle(QUEUE, held.token, { kind })));
    assert.equal(code, message ? undefined : "message-lock-lost");
    if (!message) return;
    if (kind === "complete") model.remove(message);
    else if (kind === "abandon") model.release(message);
    else if (kind === "release") model.giveBack(message);
    else if (kind === "dead-letter") model.die(message);
    else {
      message.deferred = true;
      message.deliveries++;
      message.lockedUntil = undefined;
      if (message.expiresAt <= model.now) model.die(message);
    }
  });

const renew = (pick: number): Command =>
  command(`renew ${pick}`, (model, bus) => {
    const held = model.held[pick % model.held.length];
    if (!held) return;
    const message = model.holder(held);
    const code = refusal(() => bus.run((broker) => broker.renewLock(QUEUE, held.token)));
    assert.equal(code, message ? undefined : "message-lock-lost");
    if (message) message.lockedUntil = model.now + LOCK_MS;
  });

const receiveDeferred = (pick: number): Command =>
  command(`receive deferred ${pick}`, (model, bus) => {
    const message = model.messages[pick % model.messages.length];
    if (!message) return;
    const free = message.deferred && message.lockedUntil === undefined;
    const code = refusal(() => {
      const [delivery] = bus.run((broker) => broker.receiveDeferred(QUEUE, [message.seq], false));
      hold(model, message, delivery!.lock!.token, delivery!.lock!.until);
    });
    assert.equal(code, free ? undefined : "message-not-found");
  });

const cancel = (pick: number): Command =>
  command(`cancel ${pick}`, (model, bus) => {
    const message = model.messages[pick % model.messages.length];
    if (!message) return;
    const code = refusal(() => bus.run((broker) => broker.cancelScheduled(QUEUE, [message.seq])));
    assert.equal(code, message.scheduledAt === undefined ? "message-not-found" : undefined);
    if (code === undefined) model.remove(message);
  });

const advance = (milliseconds: number): Command =>
  command(`advance ${milliseconds}`, (model, bus) => {
    bus.advance(milliseconds);
    model.advance(milliseconds);
  });

const crash = (compact: boolean): Command =>
  command(`crash compact=${compact}`, (_model, bus) => bus.crash({ compact }));

const pick = fc.nat(40);

export const queueCommands = fc.commands(
  [
    fc
      .tuple(
        fc.array(fc.nat(60), { minLength: 1, maxLength: 4 }),
        fc.option(fc.integer({ min: 1, max: 2_500 }), { nil: undefined, freq: 4 }),
        fc.oneof(
          { weight: 4, arbitrary: fc.constant(0) },
          { weight: 1, arbitrary: fc.integer({ min: 1, max: 2_000 }) },
        ),
      )
      .map(([ids, ttl, delay]) => send(ids, ttl, delay)),
    fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(6)).map(([count, remove]) => receive(count, remove === 0)),
    fc
      .tuple(
        pick,
        fc.constantFrom<Settlement["kind"]>("complete", "complete", "abandon", "release", "defer", "dead-letter"),
      )
      .map(([index, kind]) => settle(index, kind)),
    pick.map(renew),
    pick.map(receiveDeferred),
    pick.map(cancel),
    fc.integer({ min: 1, max: 800 }).map(advance),
    fc.boolean().map(crash),
  ],
  { maxCommands: 120, size: "max" },
);
