/**
 * The duty to deliver webhooks: one API instance at a time has it, elected by a lease, so that looking for what is due
 * costs once. That two may believe to have it for a moment does no harm: deliveries are claimed one by one.
 */
import { sleep } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { PublishedEvent } from "../../core/job/events.ts";
import type { Logger } from "../../core/logger.ts";
import type { LeaderLease } from "../../core/ports/worker-store.ts";
import type { Announce } from "./announce.ts";
import type { Deliverer } from "./deliver.ts";

export interface WebhookDutyDeps {
  readonly lease: LeaderLease;
  readonly announce: Announce;
  readonly deliverer: Deliverer;
  readonly log: Logger;
  /** Between two looks when nothing is known to have happened. Default 5 s. */
  readonly everyMs?: number;
}

export interface WebhookDuty {
  /** Any event: the completion of a batch is looked at at once, and not only when the sweeper comes by. */
  onEvent(published: PublishedEvent): void;
  /** Ends after what is being sent, but does not wait long: what is cut off is sent again when its claim ends. */
  stop(): Promise<void>;
}

const EVERY_MS = 5_000;
/** Well within the time a process gets to end. */
const STOP_AFTER_MS = 5_000;
/** Batches heard of and not looked at yet. What is beyond is found by the sweeper. */
const HEARD_MAX_COUNT = 10_000;

export function startWebhookDuty({
  lease,
  announce,
  deliverer,
  log,
  everyMs = EVERY_MS,
}: WebhookDutyDeps): WebhookDuty {
  const heard = new Set<string>();
  let isStopped = false;
  let wake = Promise.withResolvers<undefined>();

  async function look(): Promise<void> {
    const batchIds = [...heard];
    heard.clear();
    // Another instance has it, and has heard the same.
    if (!(await lease.hold())) return;
    for (const batchId of batchIds) await announce(batchId);
    const isLeft = await deliverer.round();
    if (isLeft) void deliverer.next().then(() => wake.resolve(undefined));
  }

  async function work(): Promise<void> {
    while (!isStopped) {
      wake = Promise.withResolvers();
      await look().catch((error: unknown) => log.warn({ error: messageOf(error) }, "webhooks were not looked at"));
      if (heard.size > 0) continue;
      const timer = setTimeout(() => wake.resolve(undefined), everyMs);
      await wake.promise;
      clearTimeout(timer);
    }
  }
  const working = work();

  return {
    onEvent({ event }) {
      if (event.eventType !== "batchCompleted" || heard.size >= HEARD_MAX_COUNT) return;
      heard.add(event.batchId);
      wake.resolve(undefined);
    },
    async stop() {
      isStopped = true;
      wake.resolve(undefined);
      await working;
      const ended = new AbortController();
      await Promise.race([deliverer.idle(), sleep(STOP_AFTER_MS, ended.signal)]);
      ended.abort();
      await lease.release().catch((error: unknown) => {
        log.warn({ error: messageOf(error) }, "the lease of the webhooks was not given up; it ends by itself");
      });
    },
  };
}
