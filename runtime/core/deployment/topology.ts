/**
 * Every queue, topic, subscription, table and container of the system, as data. Infra turns it into Azure resources,
 * the local stack into local ones, tests read it: there is no second list.
 */
import { LOCK_MS } from "../limits.ts";
import type { TimerSubscription } from "../ports/timer-topic.ts";
import { PRIORITIES, type Priority } from "../job/priority.ts";
import { LISTENER_PROPERTY } from "../timer/tick.ts";
import { listenerOf, subscriptionNameOf, type Timer, type TimerName } from "../timer/timer.ts";

/** The settings of one Service Bus queue, by the meaning the service gives them. */
export interface QueueSettings {
  readonly name: string;
  /** How long a received message stays invisible to others. Default 1 min, at most 5 min (a service limit). */
  readonly lockMs?: number;
  /** Deliveries after which the broker dead-letters a message by itself. Default 10. */
  readonly maxDeliveryCount?: number;
  /** How long a MessageId is remembered; absent: no duplicate detection. 20 s to 7 days. */
  readonly duplicateWindowMs?: number;
  /** Default time to live of a message; absent: for ever. */
  readonly timeToLiveMs?: number;
  /** Whether an expired message goes to the dead-letter queue instead of vanishing. Default false. */
  readonly deadLetterOnExpiry?: boolean;
  readonly requiresSession?: boolean;
  /** A queue or topic every message is passed on to. */
  readonly forwardTo?: string;
  /** A queue or topic every dead-lettered message is passed on to. */
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

/**
 * Table names. `batches`: PK tenant; `jobs`: PK `{batchId}.{shard}`, also holding the counter rows `~{writerId}`;
 * `keys`: PK tenant; `workers`: PK pool; `tenants`: PK `tenant` (RK tenant), `grant.{principalId}` (RK tenant)
 * and `secret` (RK what it is for); `timers`: PK tenant, RK `{package}.{timer}` for what a timer should do and `~{id}`,
 * from its batch, for what it does; `webhooks`: PK tenant (RK name), `~waiting` and `{tenant}.{webhookId}` (deliveries).
 */
export const TABLES = {
  batches: "batches",
  jobs: "jobs",
  keys: "keys",
  workers: "workers",
  tenants: "tenants",
  timers: "timers",
  webhooks: "webhooks",
} as const;

/** Blob containers. Packages lie at `{tenantName}/{package}.zip`; the others at `{tenantName}/{jobId}/…`. */
export const CONTAINERS = {
  packages: "jobprocessorfiles",
  logs: "job-logs",
  output: "job-output",
  input: "job-input",
  /** Empty blobs whose leases elect one process for a duty. */
  leases: "leases",
} as const;

/**
 * Where deployed code lies, in a storage account of its own. The pointer (core/ports/release-reader.ts) is replaced with every
 * deployment and may be absent for a moment; what it points at never changes.
 */
export const RELEASES = {
  container: "releases",
  workerPointer: "worker/current.json",
  /** In the API's package: job packages that it publishes when it starts. */
  packagesFolder: "packages",
} as const;

/** The worker pool that serves batches which ask for none. */
export const DEFAULT_POOL = "default";

/**
 * The service accepts up to 2,000 deliveries. We take them all: whether a job may run again is decided by its row,
 * and the broker's own counter must never get there first (A7).
 * https://learn.microsoft.com/azure/service-bus-messaging/service-bus-dead-letter-queues
 */
const MAX_DELIVERY_COUNT = 2_000;

/** MessageIds carry the ring of a job and never repeat; ten minutes covers every retry of a lost acknowledgement. */
const DUPLICATE_WINDOW_MS = 10 * 60_000;

/** What happens to jobs and batches (core/job/events.ts). Anybody may add a subscription with a filter of their own. */
export const EVENTS_TOPIC = "job-events";

/** News of yesterday is no news: a subscription nobody reads does not fill the topic. */
const EVENT_TIME_TO_LIVE_MS = 24 * 60 * 60_000;

/**
 * The subscription of one API instance, made when it starts and gone by itself after it ends: five minutes without a
 * receiver is the least Azure takes. What is older than that nobody waits for any more.
 */
export const eventSubscription = (name: string): SubscriptionSettings => ({
  name,
  lockMs: 60_000,
  timeToLiveMs: 5 * 60_000,
  autoDeleteOnIdleMs: 5 * 60_000,
});

/** Ticks of timers. Each timer has a subscription that lets only its own through, to the queue of its pool. */
export const TIMERS_TOPIC = "timers";

/** Longer than ticks are sent ahead, with room for whoever sends them again after an outage. */
const TICK_DUPLICATE_WINDOW_MS = 60 * 60_000;

/** The queue a pool's jobs of one priority wait in. */
export const jobQueueName = (pool: string, priority: Priority): string => `jobs-${pool}-${priority}`;

/** Where the ticks of a timer go, and which they are. */
export const subscriptionOf = (timer: TimerName & Pick<Timer, "pool" | "priority">): TimerSubscription => ({
  name: subscriptionNameOf(timer),
  listener: listenerOf(timer),
  queue: jobQueueName(timer.pool, timer.priority),
});

/** Service Bus gives every subscription a rule of this name, which ours takes the place of: it is the only one. */
const TIMER_RULE = "$Default";

/** The same from `pulumi up` and from the API. It holds no message of its own: whatever passes goes on to the queue. */
export const timerSubscription = ({ name, listener, queue }: TimerSubscription): SubscriptionSettings => ({
  name,
  forwardTo: queue,
  maxDeliveryCount: MAX_DELIVERY_COUNT,
  rules: [{ name: TIMER_RULE, filter: { kind: "sql", expression: `${LISTENER_PROPERTY} = ${sqlText(listener)}` } }],
});

const sqlText = (text: string): string => `'${text.replaceAll("'", "''")}'`;

export interface TopologyOptions {
  /** For tests that cannot wait for the real lock. */
  readonly lockMs?: number;
  /** Timers that come with the deployment. Others get their subscriptions when they are registered. */
  readonly timers?: readonly TimerSubscription[];
}

/** The Service Bus entities for the given worker pools. */
export function busTopology(
  pools: readonly string[],
  { lockMs = LOCK_MS, timers = [] }: TopologyOptions = {},
): BusTopology {
  return {
    queues: pools.flatMap((pool) =>
      PRIORITIES.map((priority) => ({
        name: jobQueueName(pool, priority),
        lockMs,
        maxDeliveryCount: MAX_DELIVERY_COUNT,
        duplicateWindowMs: DUPLICATE_WINDOW_MS,
        deadLetterOnExpiry: true,
      })),
    ),
    topics: [
      { name: EVENTS_TOPIC, duplicateWindowMs: DUPLICATE_WINDOW_MS, timeToLiveMs: EVENT_TIME_TO_LIVE_MS },
      {
        name: TIMERS_TOPIC,
        duplicateWindowMs: TICK_DUPLICATE_WINDOW_MS,
        ...(timers.length > 0 && { subscriptions: timers.map(timerSubscription) }),
      },
    ],
  };
}
