/**
 * The duty to deliver webhooks. One API instance has it at a time, elected by a lease, so that only one looks for due
 * deliveries. Two instances may believe for a moment that they have it: deliveries are claimed one by one.
 */
import { sleep } from "../../core/sleep.ts";
import { messageOf } from "../../core/errors.ts";
import type { PublishedEvent } from "../../core/job/events.ts";
import type { Logger } from "../../core/logger.ts";
import type { LeaderLease } from "../../core/ports/worker-store.ts";
import type { Announce } from "./announce.ts";
import type { AnnounceFailures } from "./announce-failures.ts";
import type { Deliverer } from "./deliver.ts";

export interface WebhookDutyDeps {
  readonly lease: LeaderLease;
  readonly announce: Announce;
  /** Default: only the sweeper tells of failed jobs. */
  readonly announceFailures?: AnnounceFailures | undefined;
  readonly deliverer: Deliverer;
  readonly log: Logger;
  /** Time between two rounds without an event, while deliveries go out or are about to be tried again. Default 5 s. */
  readonly everyMs?: number;
}

export interface WebhookDuty {
  /**
   * Takes any event. The completion of a batch is announced at once, and a failed job in the next round, without waiting for
   * the sweeper.
   */
  onEvent(published: PublishedEvent): void;
  /** Waits for running deliveries, but not long. A delivery that is cut off is sent again when its claim ends. */
  stop(): Promise<void>;
}

const EVERY_MS = 5_000;
/** Rounds after the latest delivery, which has its first retry within them. */
const BUSY_ROUNDS = 12;
/** Afterwards, and in processes that do not lead, a round comes after so many of these times. */
const IDLE_EVERY = 2;
/** A process that leads renews the lease in each round. After its death, another one leads within 30 s. */
export const WEBHOOK_LEASE_MS = 20_000;
/** Well within the time a process gets to end. */
const STOP_AFTER_MS = 5_000;
/** Batches that wait to be announced, completed ones and those with failed jobs. The sweeper finds any more. */
const WAITING_MAX_COUNT = 10_000;

export function startWebhookDuty({
  lease,
  announce,
  announceFailures,
  deliverer,
  log,
  everyMs = EVERY_MS,
}: WebhookDutyDeps): WebhookDuty {
  const completed = new Set<string>();
  const failing = new Set<string>();
  let busyRounds = 0;
  let isStopped = false;
  let wake = Promise.withResolvers<undefined>();

  async function round(): Promise<void> {
    const batchIds = [...completed];
    const failingIds = [...failing];
    completed.clear();
    failing.clear();
    // Another instance has the duty, and receives the same events.
    if (!(await lease.hold())) {
      busyRounds = 0;
      return;
    }
    for (const batchId of batchIds) await announce(batchId);
    for (const batchId of failingIds) await announceFailures?.(batchId);
    const isLeft = await deliverer.round();
    busyRounds = deliverer.count > 0 ? BUSY_ROUNDS : Math.max(0, busyRounds - 1);
    if (isLeft) void deliverer.next().then(() => wake.resolve(undefined));
  }

  async function work(): Promise<void> {
    while (!isStopped) {
      wake = Promise.withResolvers();
      await round().catch((error: unknown) =>
        log.warn({ error: messageOf(error) }, "a round of webhook deliveries failed"),
      );
      if (completed.size > 0) continue;
      const timer = setTimeout(() => wake.resolve(undefined), busyRounds > 0 ? everyMs : IDLE_EVERY * everyMs);
      await wake.promise;
      clearTimeout(timer);
    }
  }
  const working = work();

  return {
    onEvent({ event }) {
      const { eventType, batchId } = event;
      if (eventType === "jobCompleted" && event.status === "failed") {
        // Without waking: the jobs of a batch that fail together are one message.
        if (failing.size < WAITING_MAX_COUNT) failing.add(batchId);
      } else if (eventType === "batchCompleted" && completed.size < WAITING_MAX_COUNT) {
        completed.add(batchId);
        wake.resolve(undefined);
      }
    },
    async stop() {
      isStopped = true;
      wake.resolve(undefined);
      await working;
      const ended = new AbortController();
      await Promise.race([deliverer.idle(), sleep(STOP_AFTER_MS, ended.signal)]);
      ended.abort();
      await lease.release().catch((error: unknown) => {
        log.warn({ error: messageOf(error) }, "the lease for webhooks was not released; it expires by itself");
      });
    },
  };
}
