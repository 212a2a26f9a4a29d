/**
 * The broker: the namespace's state, the commands that change it, and the records of every change. It has no sockets,
 * files, timers or clock of its own; its host runs commands at an instant, makes the records durable, and wakes it up.
 */
import type { BusTopology } from "../../../core/deployment/service-bus.ts";
import { deleteMessages, type DeleteRange } from "./batch-delete.ts";
import type { EngineContext } from "./context.ts";
import type { RuleDescription } from "./descriptions.ts";
import { receiveDeferred } from "./deferral.ts";
import { dispatch } from "./dispatch.ts";
import { DueSchedule } from "./due-schedule.ts";
import { EntityDirectory, type Entity, type SubscriptionEntity } from "./entities.ts";
import * as entityCommands from "./entity-commands.ts";
import { BusError, entityNotFound } from "./errors.ts";
import { nextDueAt, sweep } from "./expiry.ts";
import { cancelScheduled, send } from "./intake.ts";
import type { MessageStore } from "./message-store.ts";
import type { Delivery, IncomingMessage, MessageCodec } from "./message.ts";
import { peek, type PeekRange } from "./peek.ts";
import type { Receiver, SessionWaiter } from "./receivers.ts";
import type { BrokerRecord } from "./records.ts";
import { acceptSession, closeSession, renewSessionLock, setSessionState } from "./sessions.ts";
import { renewLock, returnMessage, settle, type Settlement } from "./settlement.ts";
import { snapshot } from "./snapshot.ts";

export interface BrokerDeps {
  readonly codec: MessageCodec;
  /** A fresh, unguessable lock token; never the same twice. */
  readonly newLockToken: () => string;
}

/**
 * Use: `execute(now, () => broker.send(…))` for everything that may change something, then take the records.
 * Every command either succeeds, or throws a `BusError` and has changed nothing.
 */
export class Broker {
  readonly entities = new EntityDirectory((store, at) => this.#due.arm(store, at));
  readonly #context: EngineContext;
  readonly #touched = new Set<MessageStore>();
  readonly #due = new DueSchedule();
  #records: BrokerRecord[] = [];
  #now = 0;

  constructor({ codec, newLockToken }: BrokerDeps) {
    const now = (): number => this.#now;
    this.#context = {
      codec,
      newLockToken,
      entities: this.entities,
      emit: (record) => {
        this.#apply(record);
        this.#records.push(record);
      },
      touch: (store) => void this.#touched.add(store),
      arm: (store, at) => this.#due.arm(store, at),
      get now() {
        return now();
      },
    };
  }

  get now(): number {
    return this.#now;
  }

  /** Runs a command as of the given instant: first what has fallen due, then the command, then all deliveries it allows. */
  execute<T>(now: number, command: () => T): T {
    this.#now = Math.max(this.#now, now);
    this.#sweepDue();
    this.#dispatchTouched();
    try {
      return command();
    } finally {
      this.#dispatchTouched();
    }
  }

  /** When `execute` should be called at the latest, even without a command. Infinity: never. */
  nextDueAt(): number {
    return this.#due.nextAt();
  }

  /** The changes since the last call, in order. */
  takeRecords(): BrokerRecord[] {
    const records = this.#records;
    this.#records = [];
    return records;
  }

  /** Applies a record from the journal. Only for recovery, before the first `execute`. */
  restore(record: BrokerRecord): void {
    this.#apply(record);
  }

  /** Ends recovery: from here idle times count from this instant. */
  restored(now: number): void {
    this.#now = Math.max(this.#now, now);
    for (const entity of this.entities.all()) {
      for (const store of this.entities.storesOf(entity)) {
        store.lastUsedAt = this.#now;
        this.#touched.add(store);
      }
      entityCommands.armIdleDeletion(this.#context, entity);
    }
  }

  /** The records that rebuild the present state. */
  snapshot(): IterableIterator<BrokerRecord> {
    return snapshot(this.entities);
  }

  /** Creates what is missing and updates what is there; messages stay, and so do entities that are not mentioned. */
  applyTopology(topology: BusTopology): void {
    entityCommands.applyTopology(this.#context, topology);
  }

  send(path: string, messages: readonly IncomingMessage[]): number[] {
    return send(this.#context, this.#entity(path), messages);
  }

  cancelScheduled(path: string, sequenceNumbers: readonly number[]): void {
    cancelScheduled(this.#context, this.entities.store(path), sequenceNumbers);
  }

  peek(path: string, range: PeekRange): Delivery[] {
    const store = this.entities.store(path);
    store.lastUsedAt = this.#now;
    return peek(store, range);
  }

  /** @throws BusError as `attachReceiver`, but for sessions */
  deleteMessages(path: string, range: DeleteRange): number {
    return deleteMessages(this.#context, this.#receivable(path), range);
  }

  /** @throws BusError `entity-not-found` */
  checkExists(path: string): void {
    this.entities.store(path);
  }

  /** @throws BusError `entity-not-found`, `entity-disabled`, `not-allowed` (topic, session or forwarding entity) */
  attachReceiver(path: string, receiver: Receiver): void {
    const store = this.#receivable(path);
    if (store.options.requiresSession) {
      throw new BusError(
        "not-allowed",
        "It is not possible for an entity that requires sessions to create a non-sessionful message receiver.",
      );
    }
    store.receivers.attach(receiver);
    store.lastUsedAt = this.#now;
  }

  /** Says that the receiver's credit has risen. */
  offerCredit(path: string, receiver: Receiver): void {
    const store = this.entities.store(path);
    store.receivers.offer(receiver);
    this.#touched.add(store);
  }

  /** Forgets a receiver; its locks stay until they end. A session it holds is free at once. */
  detachReceiver(path: string, receiver: Receiver): void {
    const store = this.#storeIfThere(path);
    if (!store) return;
    store.receivers.detach(receiver);
    for (const waiter of store.receivers.waiters)
      if (waiter.receiver === receiver) store.receivers.waiters.delete(waiter);
    closeSession(this.#context, store, receiver);
    store.lastUsedAt = this.#now;
  }

  /** @throws BusError as `attachReceiver`, and `session-cannot-be-locked` */
  acceptSession(path: string, waiter: SessionWaiter): void {
    const store = this.#receivable(path);
    if (!store.options.requiresSession) {
      throw new BusError("not-allowed", `The messaging entity '${path}' does not require sessions.`);
    }
    acceptSession(this.#context, store, waiter);
  }

  settle(path: string, token: string, settlement: Settlement): void {
    settle(this.#context, this.entities.store(path), token, settlement);
  }

  /** Takes back a delivery that never left the process. It does not count as a delivery. */
  undelivered(path: string, token: string): void {
    const store = this.#storeIfThere(path);
    if (!store) return;
    const message = store.locked.get(token);
    if (message) returnMessage(this.#context, store, message, { countsAsDelivery: false });
  }

  renewLock(path: string, token: string): number {
    return renewLock(this.#context, this.entities.store(path), token);
  }

  /** @throws BusError `message-not-found`; then none of them is handed out. */
  receiveDeferred(path: string, sequenceNumbers: readonly number[], receiveAndDelete: boolean): Delivery[] {
    return receiveDeferred(this.#context, this.entities.store(path), sequenceNumbers, receiveAndDelete);
  }

  renewSessionLock(path: string, sessionId: string): number {
    return renewSessionLock(this.#context, this.entities.store(path), sessionId);
  }

  setSessionState(path: string, sessionId: string, state: Uint8Array | undefined): void {
    setSessionState(this.#context, this.entities.store(path), sessionId, state);
  }

  sessionState(path: string, sessionId: string): Uint8Array | undefined {
    return this.entities.store(path).sessions.get(sessionId)?.state;
  }

  /** Sessions touched by a message since the given instant, or those with active messages; oldest first. */
  sessionIds(path: string, since: number | "active"): string[] {
    const { sessions, messages } = this.entities.store(path);
    const active = new Set<string>();
    if (since === "active")
      for (const { status, sessionId } of messages.values()) if (status === "active") active.add(sessionId ?? "");
    return [...sessions.all()]
      .filter(({ id, updatedAt }) => (since === "active" ? active.has(id) : updatedAt >= since))
      .map(({ id }) => id);
  }

  setEntity(change: entityCommands.EntityChange, mode: entityCommands.ChangeMode): Entity {
    return entityCommands.setEntity(this.#context, change, mode);
  }

  removeEntity(path: string): void {
    this.#context.emit({ type: "entity-removed", path: this.#entity(path).path });
  }

  setRule(
    subscription: string,
    rule: Omit<RuleDescription, "createdAt">,
    mode: entityCommands.ChangeMode,
  ): RuleDescription {
    return entityCommands.setRule(this.#context, this.entities.subscription(subscription), rule, mode);
  }

  removeRule(subscription: string, name: string): void {
    entityCommands.removeRule(this.#context, this.entities.subscription(subscription), name);
  }

  subscription(path: string): SubscriptionEntity {
    return this.entities.subscription(path);
  }

  #entity(path: string): Entity {
    const entity = this.entities.find(path);
    if (!entity) throw entityNotFound(path);
    return entity;
  }

  /** The store of that path, unless its entity has been removed meanwhile. */
  #storeIfThere(path: string): MessageStore | undefined {
    return this.entities.hasPath(path) ? this.entities.store(path) : undefined;
  }

  #receivable(path: string): MessageStore {
    const store = this.entities.store(path);
    if (this.entities.topics.has(store.key)) {
      throw new BusError("not-allowed", `'${path}' is a topic: receive from one of its subscriptions.`);
    }
    const { status, forwardTo } = store.options;
    if (status === "Disabled" || status === "ReceiveDisabled") {
      throw new BusError("entity-disabled", `The messaging entity '${path}' is disabled for receiving.`);
    }
    if (forwardTo !== undefined) {
      throw new BusError("not-allowed", `'${path}' forwards its messages to '${forwardTo}': receive from there.`);
    }
    return store;
  }

  #apply(record: BrokerRecord): void {
    if ("queue" in record) this.entities.store(record.queue).apply(record);
    else this.entities.apply(record);
  }

  #sweepDue(): void {
    for (let store = this.#due.takeDue(this.#now); store; store = this.#due.takeDue(this.#now)) {
      if (!this.entities.has(store)) continue;
      sweep(this.#context, store);
      this.#due.arm(store, nextDueAt(store));
      entityCommands.removeIfIdle(this.#context, store);
    }
  }

  /** Deliveries make room for others and forwarding feeds other stores, so this goes on until nothing moves. */
  #dispatchTouched(): void {
    for (const store of this.#touched) {
      this.#touched.delete(store);
      if (this.entities.has(store)) dispatch(this.#context, store);
    }
  }
}
