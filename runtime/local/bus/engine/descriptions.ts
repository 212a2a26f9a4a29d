/** What an entity is told to be: the settings of the topology, plus what only the admin API can set, with defaults. */
import type {
  QueueSettings,
  RuleFilter,
  SubscriptionSettings,
  TopicSettings,
} from "../../../core/deployment/service-bus.ts";
import { BusError } from "./errors.ts";

export type EntityStatus = "Active" | "Disabled" | "SendDisabled" | "ReceiveDisabled";

/** Access to one entity by keys of its own. It is kept for the clients that ask; the keys open nothing here. */
export interface AuthorizationRule {
  readonly claimType?: string;
  readonly claimValue?: string;
  readonly rights: readonly string[];
  readonly keyName?: string;
  readonly primaryKey?: string;
  readonly secondaryKey?: string;
}

/** What the service keeps for its clients and the broker does not act on. */
export interface KeptFields {
  /** `true` and `false` by the names of the administration API. */
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
  /** The duplicate detection window of an entity without duplicate detection: kept, and without effect. */
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

/** The filters of a topology, and what clients can ask for beyond them. */
export type MessageFilter = Exclude<RuleFilter, { kind: "sql" }> | ({ readonly kind: "sql" } & SqlExpression);

/** What a rule changes in its own copy of a message: `SET …` and `REMOVE …`. */
export type RuleAction = SqlExpression;

/** A named filter of a subscription, and what happens to the messages it lets through. */
export interface RuleDescription {
  readonly name: string;
  readonly filter: MessageFilter;
  readonly action?: RuleAction;
  readonly createdAt: number;
}

/** The rule a subscription has when none is given. https://learn.microsoft.com/azure/service-bus-messaging/topic-filters */
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
  /** Auto-forwarding passes a message on at most this often. */
  hops: 4,
  defaultSizeMegabytes: 1_024,
  entityPathLength: 260,
  nameLength: 50,
} as const;

/** The complete settings a message store works by. */
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

/** Fills in the service's defaults. @throws BusError `invalid-argument` for a value the service would refuse. */
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

/** Dead-letter queues keep messages for ever and hand them out any number of times. */
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

/** @throws BusError `invalid-argument` when the service would not accept the name. */
export function checkName(name: string, kind: "queue" | "topic" | "subscription" | "rule"): void {
  const short = kind === "subscription" || kind === "rule";
  const longest = short ? LIMITS.nameLength : LIMITS.entityPathLength;
  const legal = kind === "rule" ? /^[$\w.-]+$/ : NAME;
  if (name.length > longest || !legal.test(name) || (short && name.includes("/"))) {
    throw new BusError("invalid-argument", `'${name}' is not a valid ${kind} name (1 to ${longest} characters).`);
  }
}
