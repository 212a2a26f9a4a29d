/** Descriptions of entities: the settings of a topology, those that only the administration API can set, and defaults. */
import { BusError } from "./errors.ts";

/** The settings of one Service Bus queue, with the meaning that the service gives them. */
export interface QueueSettings {
  readonly name: string;
  /** How long a received message stays invisible to others. Default 1 min, at most 5 min (a service limit). */
  readonly lockMs?: number;
  /** Deliveries after which the broker dead-letters a message by itself. Default 10. */
  readonly maxDeliveryCount?: number;
  /** How long a MessageId is remembered; absent: no duplicate detection. 20 s to 7 days. */
  readonly duplicateWindowMs?: number;
  /** Default and longest time to live of a message. Absent: no limit. */
  readonly timeToLiveMs?: number;
  /** Whether an expired message goes to the dead-letter queue instead of vanishing. Default false. */
  readonly deadLetterOnExpiry?: boolean;
  readonly requiresSession?: boolean;
  /** The queue or topic to which every message is forwarded. */
  readonly forwardTo?: string;
  /** The queue or topic to which every dead-lettered message is forwarded. */
  readonly forwardDeadLetteredTo?: string;
  /** Removes the entity after this time without a send or receive; absent: never. At least 5 min in Azure. */
  readonly autoDeleteOnIdleMs?: number;
}

/** What a subscription lets through. `properties` and `system` of a correlation filter must all be equal. */
export type RuleFilter =
  | { readonly kind: "sql"; readonly expression: string }
  | {
      readonly kind: "correlation";
      readonly system?: Readonly<Record<string, string>>;
      readonly properties?: Readonly<Record<string, string | number | boolean>>;
    }
  | { readonly kind: "true" }
  | { readonly kind: "false" };

export interface SubscriptionSettings extends Omit<QueueSettings, "duplicateWindowMs"> {
  /** Named rules; a message passes when any matches. Absent: one rule `$Default` that matches everything. */
  readonly rules?: readonly { readonly name: string; readonly filter: RuleFilter }[];
}

export interface TopicSettings {
  readonly name: string;
  readonly duplicateWindowMs?: number;
  readonly timeToLiveMs?: number;
  /** Removes the topic after this time without a send or receive; absent: never. At least 5 min in Azure. */
  readonly autoDeleteOnIdleMs?: number;
  readonly subscriptions?: readonly SubscriptionSettings[];
}

/** What a Service Bus namespace contains. */
export interface BusTopology {
  readonly queues: readonly QueueSettings[];
  readonly topics: readonly TopicSettings[];
}

export type EntityStatus = "Active" | "Disabled" | "SendDisabled" | "ReceiveDisabled";

/** Keys for one entity. The bus returns them to clients, but does not accept them. */
export interface AuthorizationRule {
  readonly claimType?: string;
  readonly claimValue?: string;
  readonly rights: readonly string[];
  readonly keyName?: string;
  readonly primaryKey?: string;
  readonly secondaryKey?: string;
}

/** Settings that the broker stores and returns, and does not act on. */
export interface KeptFields {
  /** `true` or `false`, by the names of the administration API. */
  readonly flags: Readonly<Record<string, string>>;
  readonly authorizationRules?: readonly AuthorizationRule[];
}

interface AdminFields {
  readonly status?: EntityStatus;
  readonly userMetadata?: string;
  readonly kept?: KeptFields;
}

interface SizedEntity {
  /** Mebibytes of waiting messages the entity takes before it refuses more. Default 1,024. */
  readonly maxSizeMegabytes?: number;
  /** The duplicate detection window of an entity without duplicate detection. It has no effect. */
  readonly idleDuplicateWindowMs?: number;
}

export interface QueueDescription extends QueueSettings, AdminFields, SizedEntity {}

export interface TopicDescription extends Omit<TopicSettings, "subscriptions">, AdminFields, SizedEntity {}

export type SubscriptionDescription = Omit<SubscriptionSettings, "rules"> & AdminFields;

/** A text of the SQL language, and the values of the parameters (`@name`) in it. */
export interface SqlExpression {
  readonly expression: string;
  readonly parameters?: Readonly<Record<string, string | number | boolean>>;
}

/** The filters of a topology, and those that only clients can set. */
export type MessageFilter = Exclude<RuleFilter, { kind: "sql" }> | ({ readonly kind: "sql" } & SqlExpression);

/** What a rule changes in its own copy of a message: `SET …` and `REMOVE …`. */
export type RuleAction = SqlExpression;

/** A named filter of a subscription, and its action on the messages that match. */
export interface RuleDescription {
  readonly name: string;
  readonly filter: MessageFilter;
  readonly action?: RuleAction;
  readonly createdAt: number;
}

/** The rule of a subscription that is created without rules. https://learn.microsoft.com/azure/service-bus-messaging/topic-filters */
export const DEFAULT_RULE_NAME = "$Default";

const DAY_MS = 86_400_000;

/** https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas */
export const LIMITS = {
  lockMs: 5 * 60_000,
  defaultLockMs: 60_000,
  maxDeliveryCount: 2_000,
  defaultMaxDeliveryCount: 10,
  duplicateWindowMs: 7 * DAY_MS,
  defaultDuplicateWindowMs: 10 * 60_000,
  /** How often auto-forwarding passes a message on at most. */
  hops: 4,
  defaultSizeMegabytes: 1_024,
  entityPathLength: 260,
  nameLength: 50,
} as const;

/** The complete settings of a message store. */
export interface StoreOptions {
  readonly lockMs: number;
  readonly maxDeliveryCount: number;
  readonly duplicateWindowMs: number | undefined;
  readonly timeToLiveMs: number;
  readonly deadLetterOnExpiry: boolean;
  readonly requiresSession: boolean;
  readonly forwardTo: string | undefined;
  readonly forwardDeadLetteredTo: string | undefined;
  readonly autoDeleteOnIdleMs: number | undefined;
  readonly status: EntityStatus;
  readonly maxBytes: number;
}

const within = (name: string, value: number | undefined, min: number, max: number): void => {
  if (value !== undefined && !(value >= min && value <= max)) {
    throw new BusError("invalid-argument", `${name} must be between ${min} and ${max}; it is ${value}.`);
  }
};

/** Adds the service's defaults. @throws BusError `invalid-argument` for a value that the service would refuse. */
export function compileOptions(settings: QueueDescription | TopicDescription | SubscriptionDescription): StoreOptions {
  const queue: Partial<QueueDescription> = settings;
  within("lockMs", queue.lockMs, 1, LIMITS.lockMs);
  within("maxDeliveryCount", queue.maxDeliveryCount, 1, LIMITS.maxDeliveryCount);
  within("duplicateWindowMs", queue.duplicateWindowMs, 1, LIMITS.duplicateWindowMs);
  within("timeToLiveMs", queue.timeToLiveMs, 1, Number.MAX_VALUE);
  within("autoDeleteOnIdleMs", queue.autoDeleteOnIdleMs, 1, Number.MAX_VALUE);
  within("maxSizeMegabytes", queue.maxSizeMegabytes, 1, 1_048_576);
  return {
    lockMs: queue.lockMs ?? LIMITS.defaultLockMs,
    maxDeliveryCount: queue.maxDeliveryCount ?? LIMITS.defaultMaxDeliveryCount,
    duplicateWindowMs: queue.duplicateWindowMs,
    timeToLiveMs: queue.timeToLiveMs ?? Infinity,
    deadLetterOnExpiry: queue.deadLetterOnExpiry ?? false,
    requiresSession: queue.requiresSession ?? false,
    forwardTo: queue.forwardTo,
    forwardDeadLetteredTo: queue.forwardDeadLetteredTo,
    autoDeleteOnIdleMs: queue.autoDeleteOnIdleMs,
    status: settings.status ?? "Active",
    maxBytes: (queue.maxSizeMegabytes ?? LIMITS.defaultSizeMegabytes) * 1_048_576,
  };
}

/** Dead-letter queues have no time to live and no limit of deliveries. */
export const deadLetterOptions = (parent: StoreOptions, forwardTo: string | undefined): StoreOptions => ({
  lockMs: parent.lockMs,
  maxDeliveryCount: Infinity,
  duplicateWindowMs: undefined,
  timeToLiveMs: Infinity,
  deadLetterOnExpiry: false,
  requiresSession: false,
  forwardTo,
  forwardDeadLetteredTo: undefined,
  autoDeleteOnIdleMs: undefined,
  // A disabled entity's dead letters stay readable: https://learn.microsoft.com/azure/service-bus-messaging/entity-suspend
  status: "Active",
  maxBytes: Infinity,
});

const NAME = /^[A-Za-z0-9](?:[\w.\-/~]*[A-Za-z0-9_])?$/;

/** @throws BusError `invalid-argument` when the service would refuse the name. */
export function checkName(name: string, kind: "queue" | "topic" | "subscription" | "rule"): void {
  const short = kind === "subscription" || kind === "rule";
  const longest = short ? LIMITS.nameLength : LIMITS.entityPathLength;
  const legal = kind === "rule" ? /^[$\w.-]+$/ : NAME;
  if (name.length > longest || !legal.test(name) || (short && name.includes("/"))) {
    throw new BusError("invalid-argument", `'${name}' is not a valid ${kind} name (1 to ${longest} characters).`);
  }
}
