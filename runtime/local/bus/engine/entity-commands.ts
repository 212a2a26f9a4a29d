/** Creating, updating and removing entities and rules. */
import type { BusTopology } from "../../../core/deployment/service-bus.ts";
import type { EngineContext } from "./context.ts";
import {
  checkName,
  compileOptions,
  type QueueDescription,
  type RuleDescription,
  type StoreOptions,
  type SubscriptionDescription,
  type TopicDescription,
} from "./descriptions.ts";
import { compileRule, defaultRule, subscriptionPath, type Entity, type SubscriptionEntity } from "./entities.ts";
import { BusError, entityExists, entityNotFound } from "./errors.ts";
import { deepEqual } from "./deep-equal.ts";
import type { MessageStore } from "./message-store.ts";

export type EntityChange =
  | { readonly kind: "queue"; readonly description: QueueDescription }
  | { readonly kind: "topic"; readonly description: TopicDescription }
  | {
      readonly kind: "subscription";
      readonly topic: string;
      readonly description: SubscriptionDescription;
      /** The first rule of a new subscription. Default: `$Default`, which matches everything. */
      readonly rules?: readonly Omit<RuleDescription, "createdAt">[];
    };

/** create: must be new · update: must exist · ensure: either. */
export type ChangeMode = "create" | "update" | "ensure";

/** @throws BusError `entity-already-exists`, `entity-not-found`, `invalid-argument` */
export function setEntity(context: EngineContext, change: EntityChange, mode: ChangeMode): Entity {
  const { name } = change.description;
  const path = change.kind === "subscription" ? subscriptionPath(change.topic, name) : name;
  const known = context.entities.find(path);
  checkName(name, change.kind);
  const options = compileOptions(change.description);
  if (known && (mode === "create" || known.kind !== change.kind)) {
    throw entityExists(path);
  }
  if (!known && mode === "update") throw entityNotFound(path);
  if (known && known.store.options.requiresSession !== options.requiresSession) {
    throw new BusError("invalid-argument", `'${path}': whether sessions are required cannot be changed.`);
  }
  const detects = (each: StoreOptions): boolean => each.duplicateWindowMs !== undefined;
  if (known && mode === "update" && detects(known.store.options) !== detects(options)) {
    throw new BusError("invalid-argument", `'${path}': whether duplicates are detected cannot be changed.`);
  }
  if (options.forwardTo?.toLowerCase() === path.toLowerCase()) {
    throw new BusError("invalid-argument", `'${path}' cannot forward to itself.`);
  }
  emitEntity(context, change, known);
  const entity = context.entities.find(path);
  if (!entity) throw entityNotFound(path);
  entity.store.lastUsedAt = context.now;
  if (change.kind === "subscription" && !known && entity.kind === "subscription") {
    const rules = change.rules ?? [defaultRule(context.now)];
    for (const rule of rules) setRule(context, entity, rule, "ensure");
  }
  armIdleDeletion(context, entity);
  for (const store of context.entities.storesOf(entity)) context.touch(store);
  return entity;
}

function emitEntity(context: EngineContext, change: EntityChange, known: Entity | undefined): void {
  const createdAt = known?.createdAt ?? context.now;
  const times = { createdAt, updatedAt: context.now };
  switch (change.kind) {
    case "queue":
      context.emit({ type: "queue-set", description: change.description, ...times });
      return;
    case "topic":
      context.emit({ type: "topic-set", description: change.description, ...times });
      return;
    case "subscription":
      if (!context.entities.topics.has(change.topic.toLowerCase())) throw entityNotFound(change.topic);
      for (const rule of change.rules ?? []) checkRule(rule);
      context.emit({ type: "subscription-set", topic: change.topic, description: change.description, ...times });
      return;
  }
}

function checkRule(rule: Omit<RuleDescription, "createdAt">): void {
  checkName(rule.name, "rule");
  compileRule(rule);
}

/** @throws BusError `entity-already-exists`, `entity-not-found`, `invalid-argument` (the filter) */
export function setRule(
  context: EngineContext,
  subscription: SubscriptionEntity,
  rule: Omit<RuleDescription, "createdAt">,
  mode: ChangeMode,
): RuleDescription {
  const known = subscription.rules.get(rule.name.toLowerCase());
  const path = `${subscription.path}/Rules/${rule.name}`;
  if (known && mode === "create") throw entityExists(path);
  if (!known && mode === "update") throw entityNotFound(path);
  checkRule(rule);
  const description = { ...rule, createdAt: known?.description.createdAt ?? context.now };
  context.emit({ type: "rule-set", subscription: subscription.path, rule: description });
  subscription.store.lastUsedAt = context.now;
  return description;
}

/** @throws BusError `entity-not-found` */
export function removeRule(context: EngineContext, subscription: SubscriptionEntity, name: string): void {
  if (!subscription.rules.has(name.toLowerCase())) throw entityNotFound(`${subscription.path}/Rules/${name}`);
  context.emit({ type: "rule-removed", subscription: subscription.path, name });
}

/** Creates what is missing and updates what differs. What the topology does not mention is left alone. */
export function applyTopology(context: EngineContext, topology: BusTopology): void {
  for (const description of topology.queues) ensure(context, { kind: "queue", description });
  for (const { subscriptions = [], ...description } of topology.topics) {
    ensure(context, { kind: "topic", description });
    for (const { rules, ...subscription } of subscriptions) {
      const change = { kind: "subscription", topic: description.name, description: subscription } as const;
      const entity = ensure(context, { ...change, ...(rules && { rules }) });
      if (entity.kind === "subscription" && rules) ensureRules(context, entity, rules);
    }
  }
}

/** An update that changes nothing writes nothing, so that a restart does not grow the journal. */
function ensure(context: EngineContext, change: EntityChange): Entity {
  const { name } = change.description;
  const path = change.kind === "subscription" ? subscriptionPath(change.topic, name) : name;
  const known = context.entities.find(path);
  if (known?.kind === change.kind && deepEqual(known.description, change.description)) return known;
  return setEntity(context, change, "ensure");
}

const contentOf = ({ filter, action }: Pick<RuleDescription, "filter" | "action">): object => ({ filter, action });

function ensureRules(
  context: EngineContext,
  subscription: SubscriptionEntity,
  rules: readonly Omit<RuleDescription, "createdAt">[],
): void {
  const wanted = new Set(rules.map(({ name }) => name.toLowerCase()));
  for (const rule of rules) {
    const known = subscription.rules.get(rule.name.toLowerCase());
    if (!known || !deepEqual(contentOf(known.description), contentOf(rule)))
      setRule(context, subscription, rule, "ensure");
  }
  for (const name of [...subscription.rules.keys()]) if (!wanted.has(name)) removeRule(context, subscription, name);
}

/** https://learn.microsoft.com/azure/service-bus-messaging/message-expiration#temporary-entities */
export function armIdleDeletion(context: EngineContext, { store }: Entity): void {
  const idleMs = store.options.autoDeleteOnIdleMs;
  if (idleMs !== undefined) context.arm(store, store.lastUsedAt + idleMs);
}

/** Removes the entity of this store when it has been idle for too long; an attached receiver keeps it in use. */
export function removeIfIdle(context: EngineContext, store: MessageStore): void {
  const idleMs = store.options.autoDeleteOnIdleMs;
  if (idleMs === undefined) return;
  if (store.receivers.count > 0) store.lastUsedAt = context.now;
  const idleAt = store.lastUsedAt + idleMs;
  if (idleAt > context.now) context.arm(store, idleAt);
  else context.emit({ type: "entity-removed", path: store.path });
}
