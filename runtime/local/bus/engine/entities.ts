/** The queues, topics and subscriptions of the namespace, and how entity records change them. */
import {
  DEFAULT_RULE_NAME,
  type QueueDescription,
  type RuleDescription,
  type StoreOptions,
  type SubscriptionDescription,
  type TopicDescription,
  compileOptions,
  deadLetterOptions,
} from "./descriptions.ts";
import { BusError, entityNotFound } from "./errors.ts";
import type { EntityRecord } from "./records.ts";
import { type Action, type FilterMatcher, compileAction, compileFilter } from "./rules.ts";
import { Fifo } from "./store/collections.ts";
import { MessageStore } from "./store/message-store.ts";

interface EntityBase {
  /** As its creator wrote it. Names are compared without regard to case. */
  readonly path: string;
  readonly createdAt: number;
  updatedAt: number;
  readonly store: MessageStore;
}

export interface QueueEntity extends EntityBase {
  readonly kind: "queue";
  description: QueueDescription;
  readonly history: DuplicateHistory;
}

export interface TopicEntity extends EntityBase {
  readonly kind: "topic";
  description: TopicDescription;
  readonly history: DuplicateHistory;
  readonly subscriptions: Map<string, SubscriptionEntity>;
}

export interface Rule {
  readonly description: RuleDescription;
  readonly matches: FilterMatcher;
  readonly act: Action | undefined;
}

export interface SubscriptionEntity extends EntityBase {
  readonly kind: "subscription";
  readonly topic: TopicEntity;
  description: SubscriptionDescription;
  readonly rules: Map<string, Rule>;
}

export type Entity = QueueEntity | TopicEntity | SubscriptionEntity;

export const subscriptionPath = (topic: string, name: string): string => `${topic}/Subscriptions/${name}`;

const DEAD_LETTER_SUFFIX = "/$DeadLetterQueue";
const TRANSFER_DEAD_LETTER_SUFFIX = "/$Transfer/$DeadLetterQueue";

export class EntityDirectory {
  readonly queues = new Map<string, QueueEntity>();
  readonly topics = new Map<string, TopicEntity>();
  readonly #stores = new Map<string, MessageStore>();
  readonly #onDue: (store: MessageStore, at: number) => void;

  constructor(onDue: (store: MessageStore, at: number) => void) {
    this.#onDue = onDue;
  }

  /** @throws BusError `entity-not-found` */
  store(path: string): MessageStore {
    const store = this.#stores.get(path.toLowerCase());
    if (!store) throw entityNotFound(path);
    return store;
  }

  hasPath(path: string): boolean {
    return this.#stores.has(path.toLowerCase());
  }

  has(store: MessageStore): boolean {
    return this.#stores.get(store.key) === store;
  }

  find(path: string): Entity | undefined {
    const key = path.toLowerCase();
    const [topic = "", name] = key.split("/subscriptions/");
    if (name !== undefined) return this.topics.get(topic)?.subscriptions.get(name);
    return this.queues.get(key) ?? this.topics.get(key);
  }

  /** @throws BusError `entity-not-found` */
  subscription(path: string): SubscriptionEntity {
    const entity = this.find(path);
    if (entity?.kind !== "subscription") throw entityNotFound(path);
    return entity;
  }

  /** Queues, then topics, each followed by its subscriptions. In this order they can be created again. */
  *all(): IterableIterator<Entity> {
    yield* this.queues.values();
    for (const topic of this.topics.values()) {
      yield topic;
      yield* topic.subscriptions.values();
    }
  }

  /** The store and its dead-letter queues. */
  storesOf(entity: Entity): MessageStore[] {
    const { store } = entity;
    return [store, store.deadLetters, store.transferDeadLetters].filter((each) => each !== undefined);
  }

  apply(record: EntityRecord): void {
    switch (record.type) {
      case "queue-set": {
        const { description, createdAt, updatedAt } = record;
        const known = this.queues.get(description.name.toLowerCase());
        if (known) {
          Object.assign(known, { description, updatedAt });
          this.#update(known, compileOptions(description));
          return;
        }
        const path = description.name;
        const store = this.#open(path, compileOptions(description));
        const history = new DuplicateHistory();
        this.queues.set(store.key, { kind: "queue", path, description, createdAt, updatedAt, store, history });
        return;
      }
      case "topic-set": {
        const { description, createdAt, updatedAt } = record;
        const known = this.topics.get(description.name.toLowerCase());
        if (known) {
          Object.assign(known, { description, updatedAt });
          known.store.setOptions(compileOptions(description));
          return;
        }
        const path = description.name;
        const store = new MessageStore(path, compileOptions(description), { onDue: this.#onDue });
        this.#stores.set(store.key, store);
        this.topics.set(store.key, {
          ...{ kind: "topic", path, description, createdAt, updatedAt, store },
          ...{ history: new DuplicateHistory(), subscriptions: new Map() },
        });
        return;
      }
      case "subscription-set": {
        const { description, createdAt, updatedAt } = record;
        const topic = this.topics.get(record.topic.toLowerCase());
        if (!topic) throw entityNotFound(record.topic);
        const known = topic.subscriptions.get(description.name.toLowerCase());
        if (known) {
          Object.assign(known, { description, updatedAt });
          this.#update(known, compileOptions(description));
          return;
        }
        const path = subscriptionPath(topic.path, description.name);
        const store = this.#open(path, compileOptions(description));
        topic.subscriptions.set(description.name.toLowerCase(), {
          ...{ kind: "subscription", path, topic, description, createdAt, updatedAt, store, rules: new Map() },
        });
        return;
      }
      case "entity-removed":
        this.#remove(record.path);
        return;
      case "rule-set": {
        const { rules } = this.subscription(record.subscription);
        rules.set(record.rule.name.toLowerCase(), {
          description: record.rule,
          ...compileRule(record.rule),
        });
        return;
      }
      case "rule-removed":
        this.subscription(record.subscription).rules.delete(record.name.toLowerCase());
        return;
      case "seen": {
        const entity = this.find(record.entity);
        if (!entity || entity.kind === "subscription") throw entityNotFound(record.entity);
        entity.history.add(record.messageId, record.at, entity.store.options.duplicateWindowMs ?? 0);
        return;
      }
    }
  }

  #open(path: string, options: StoreOptions): MessageStore {
    const onDue = this.#onDue;
    const transferDeadLetters = new MessageStore(
      path + TRANSFER_DEAD_LETTER_SUFFIX,
      deadLetterOptions(options, undefined),
      { onDue },
    );
    const deadLetters = new MessageStore(
      path + DEAD_LETTER_SUFFIX,
      deadLetterOptions(options, options.forwardDeadLetteredTo),
      { onDue, transferDeadLetters },
    );
    const store = new MessageStore(path, options, { onDue, deadLetters, transferDeadLetters });
    for (const each of [store, deadLetters, transferDeadLetters]) this.#stores.set(each.key, each);
    return store;
  }

  #update(entity: QueueEntity | SubscriptionEntity, options: StoreOptions): void {
    const { store } = entity;
    store.setOptions(options);
    store.deadLetters?.setOptions(deadLetterOptions(options, options.forwardDeadLetteredTo));
    store.transferDeadLetters?.setOptions(deadLetterOptions(options, undefined));
  }

  #remove(path: string): void {
    const entity = this.find(path);
    if (!entity) throw entityNotFound(path);
    if (entity.kind === "topic") for (const each of entity.subscriptions.values()) this.#remove(each.path);
    for (const store of this.storesOf(entity)) {
      this.#stores.delete(store.key);
      store.receivers.end(new BusError("entity-not-found", `The messaging entity '${path}' was deleted.`));
    }
    if (entity.kind === "queue") this.queues.delete(entity.store.key);
    else if (entity.kind === "topic") this.topics.delete(entity.store.key);
    else entity.topic.subscriptions.delete(entity.description.name.toLowerCase());
  }
}

/** @throws BusError `invalid-argument` when filter or action cannot be understood. */
export const compileRule = ({
  filter,
  action,
}: Pick<RuleDescription, "filter" | "action">): Omit<Rule, "description"> => ({
  matches: compileFilter(filter),
  act: action && compileAction(action.expression, action.parameters),
});

/** In the order the service lists them. */
export const rulesByName = ({ rules }: SubscriptionEntity): RuleDescription[] =>
  [...rules].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { description }]) => description);

export const defaultRule = (createdAt: number): RuleDescription => ({
  name: DEFAULT_RULE_NAME,
  filter: { kind: "true" },
  createdAt,
});

/** The MessageIds that an entity has accepted within its duplicate detection window. */
export class DuplicateHistory {
  readonly #seenAt = new Map<string, number>();
  // A list beside the map, because iterating a map from its start is slow after many deletions.
  readonly #order = new Fifo<{ readonly messageId: string; readonly at: number }>();

  has(messageId: string, now: number, windowMs: number): boolean {
    const at = this.#seenAt.get(messageId);
    return at !== undefined && now - at < windowMs;
  }

  add(messageId: string, at: number, windowMs: number): void {
    this.#forgetBefore(at - windowMs);
    this.#seenAt.delete(messageId);
    this.#seenAt.set(messageId, at);
    this.#order.push({ messageId, at });
  }

  /** Oldest first. */
  entries(): IterableIterator<[string, number]> {
    return this.#seenAt.entries();
  }

  #forgetBefore(instant: number): void {
    for (let first = this.#order.peek(); first !== undefined && first.at <= instant; first = this.#order.peek()) {
      this.#order.shift();
      if (this.#seenAt.get(first.messageId) === first.at) this.#seenAt.delete(first.messageId);
    }
  }
}
