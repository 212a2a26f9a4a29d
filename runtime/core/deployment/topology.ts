/**
 * Every queue, topic and subscription of the system, as data. Infra makes Azure resources of it, the local stack local
 * ones, tests read it: there is no second list. Tables and containers are in storage-layout.ts.
 */
import { InvariantError } from "../errors.ts";
import { LOCK_MS } from "../limits.ts";
import type { TimerSubscription } from "../ports/timer-topic.ts";
import { PRIORITIES, type Priority } from "../job/priority.ts";
import { LISTENER_PROPERTY } from "../timer/tick.ts";
import { listenerOf, subscriptionNameOf, type Timer, type TimerName } from "../timer/timer.ts";
import type { BusTopology, SubscriptionSettings } from "./service-bus.ts";

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

/** What happens to jobs and batches (core/job/events.ts). A fork may add subscriptions with filters of its own. */
export const EVENTS_TOPIC = "job-events";

/** Events older than a day are of no use, and a subscription without a reader must not fill the topic. */
const EVENT_TIME_TO_LIVE_MS = 24 * 60 * 60_000;

/**
 * The subscription of one API instance. It is made when the instance starts, and Azure removes it after five minutes
 * without a receiver, the shortest time possible. Followers do not wait for older events.
 */
export const eventSubscription = (name: string): SubscriptionSettings => ({
  name,
  lockMs: 60_000,
  timeToLiveMs: 5 * 60_000,
  autoDeleteOnIdleMs: 5 * 60_000,
});

/** Ticks of timers. Each timer has a subscription that forwards its own ticks to the queue of its pool. */
export const TIMERS_TOPIC = "timers";

/** Longer than ticks are sent ahead, so that ticks sent again after an outage are recognized. */
const TICK_DUPLICATE_WINDOW_MS = 60 * 60_000;

/** The queue a pool's jobs of one priority wait in. */
export const jobQueueName = (pool: string, priority: Priority): string => `jobs-${pool}-${priority}`;

/** Pool and priority of a queue of jobs. Throws InvariantError for another queue. */
export function jobQueueParts(queueName: string): { readonly pool: string; readonly priority: Priority } {
  const priority = PRIORITIES.find((one) => queueName.endsWith(`-${one}`));
  if (priority === undefined || !queueName.startsWith("jobs-"))
    throw new InvariantError(`${queueName} is no queue of jobs.`);
  return { pool: queueName.slice("jobs-".length, -`-${priority}`.length), priority };
}

/** The queue that the ticks of a timer go to, and the listener that selects them. */
export const subscriptionOf = (timer: TimerName & Pick<Timer, "pool" | "priority">): TimerSubscription => ({
  name: subscriptionNameOf(timer),
  listener: listenerOf(timer),
  queue: jobQueueName(timer.pool, timer.priority),
});

/** Service Bus gives every subscription a rule of this name. Ours replaces it, so that it is the only one. */
const TIMER_RULE = "$Default";

/** The same from `pulumi up` and from the API. It keeps no messages: those that match are forwarded to the queue. */
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
