/** Commands on a session queue, and what must hold after each: one receiver per session, order within it, nothing lost. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { BusError } from "../../engine/errors.ts";
import { encodeBody, HeldReceiver, parseBody } from "./engine.ts";
import { commandsWith, type ModelCommand } from "./model-command.ts";

const QUEUE = "s";
const LOCK_MS = 1_000;

export const sessionTopology = {
  queues: [{ name: QUEUE, requiresSession: true, lockMs: LOCK_MS, maxDeliveryCount: 1_000 }],
};

interface Holding {
  readonly sessionId: string;
  readonly receiver: HeldReceiver;
  until: number;
}

export class SessionModel {
  now: number;
  /** The numbers of unsettled messages of each session, in the order in which they were sent. */
  readonly waiting = new Map<string, number[]>();
  holdings: Holding[] = [];
  sent = 0;
  commands = 0;

  constructor(now: number) {
    this.now = now;
  }
}

type Command = ModelCommand<SessionModel>;

const command = commandsWith<SessionModel>((model, bus) => {
  model.commands++;
  const store = bus.broker.entities.store(QUEUE);
  const total = [...model.waiting.values()].reduce((sum, each) => sum + each.length, 0);
  assert.equal(store.messages.size, total);
  assert.equal([...store.sessions.all()].filter(({ lock }) => lock).length, model.holdings.length);
});

const send = (sessionId: string): Command =>
  command(`send ${sessionId}`, (model, bus) => {
    const n = ++model.sent;
    bus.run((broker) => broker.send(QUEUE, [{ body: encodeBody({ n }), messageId: String(n), sessionId }]));
    model.waiting.set(sessionId, [...(model.waiting.get(sessionId) ?? []), n]);
  });

const accept = (wanted: string | undefined): Command =>
  command(`accept ${wanted ?? "next"}`, (model, bus) => {
    const receiver = new HeldReceiver(3);
    let granted: { readonly sessionId: string; readonly until: number } | undefined;
    const waiter = {
      sessionId: wanted,
      receiver,
      granted: (sessionId: string, until: number) => {
        granted = { sessionId, until };
      },
    };
    const held = new Set(model.holdings.map(({ sessionId }) => sessionId));
    try {
      bus.run((broker) => broker.acceptSession(QUEUE, waiter));
    } catch (error) {
      assert.ok(error instanceof BusError && error.code === "session-cannot-be-locked");
      assert.ok(wanted !== undefined && held.has(wanted));
      return;
    }
    if (!granted) {
      assert.equal(wanted, undefined);
      const free = [...model.waiting].filter(([id, messages]) => messages.length > 0 && !held.has(id));
      assert.deepEqual(free, [], "a free session with messages was not given out");
      bus.run((broker) => broker.detachReceiver(QUEUE, receiver));
      return;
    }
    assert.ok(!held.has(granted.sessionId), "a session was given to two holders");
    assert.equal(granted.until, model.now + LOCK_MS);
    model.holdings.push({ ...granted, receiver });
    bus.run((broker) => broker.offerCredit(QUEUE, receiver));
    checkOrder(model, granted.sessionId, receiver);
  });

/** The messages of a receiver are the first of its session. */
function checkOrder(model: SessionModel, sessionId: string, receiver: HeldReceiver): void {
  const got = receiver.deliveries.map(({ body }) => parseBody(body)["n"]);
  assert.deepEqual(got, (model.waiting.get(sessionId) ?? []).slice(0, got.length));
}

const completeFirst = (pick: number): Command =>
  command(`complete ${pick}`, (model, bus) => {
    const holding = model.holdings[pick % model.holdings.length];
    const delivery = holding?.receiver.deliveries.shift();
    if (!holding || !delivery) return;
    bus.run((broker) => broker.settle(QUEUE, delivery.lock!.token, { kind: "complete" }));
    model.waiting.get(holding.sessionId)?.shift();
    holding.receiver.credit++;
    bus.run((broker) => broker.offerCredit(QUEUE, holding.receiver));
    checkOrder(model, holding.sessionId, holding.receiver);
  });

const close = (pick: number): Command =>
  command(`close ${pick}`, (model, bus) => {
    const holding = model.holdings[pick % model.holdings.length];
    if (!holding) return;
    model.holdings = model.holdings.filter((each) => each !== holding);
    bus.run((broker) => broker.detachReceiver(QUEUE, holding.receiver));
  });

const renew = (pick: number): Command =>
  command(`renew ${pick}`, (model, bus) => {
    const holding = model.holdings[pick % model.holdings.length];
    if (holding) holding.until = bus.run((broker) => broker.renewSessionLock(QUEUE, holding.sessionId));
  });

const advance = (milliseconds: number): Command =>
  command(`advance ${milliseconds}`, (model, bus) => {
    model.now += milliseconds;
    bus.advance(milliseconds);
    for (const { until, receiver } of model.holdings) {
      // After a crash the link of the receiver is gone, so nothing is reported.
      if (until <= model.now && receiver.credit >= 0) receiver.credit = 0;
    }
    model.holdings = model.holdings.filter(({ until }) => until > model.now);
  });

const session = fc.constantFrom("a", "b", "c");
const pick = fc.nat(10);

export const sessionCommands = fc.commands(
  [
    session.map(send),
    fc.option(session, { nil: undefined }).map(accept),
    pick.map(completeFirst),
    pick.map(close),
    pick.map(renew),
    fc.integer({ min: 1, max: 700 }).map(advance),
  ],
  { maxCommands: 100, size: "max" },
);
