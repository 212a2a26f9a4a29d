/**
 * Makes deliveries of the completions on a batch's row, and then removes them from it. The write that completed the batch put
 * them there, so none can be lost. A repeat makes the same deliveries again, which already exist.
 */
import { createHash } from "node:crypto";
import { messageOf } from "../../core/errors.ts";
import { batchCompletedEvent } from "../../core/job/events.ts";
import { newestFirst } from "../../core/job/ids.ts";
import type { Batch, BatchEnd } from "../../core/job/job.ts";
import { WEBHOOK_WAITING_MAX_COUNT } from "../../core/limits.ts";
import { type Logger, batchLogFields } from "../../core/logger.ts";
import type { BatchStore } from "../../core/ports/batch-store.ts";
import type { DeliveryStore, WebhookStore } from "../../core/ports/webhook-store.ts";
import { totalOf } from "../../core/job/states.ts";
import type { WebhookBatchCompleted } from "../../core/http/webhook-api.ts";
import type { WebhookDelivery, Webhook } from "../../core/job/webhook.ts";
import type { Clock } from "../../core/clock.ts";

export interface AnnounceDeps {
  readonly batches: Pick<BatchStore, "get" | "update">;
  readonly webhooks: Pick<WebhookStore, "of">;
  readonly deliveries: Pick<DeliveryStore, "add" | "end" | "waitingCount">;
  readonly now: Clock["now"];
  readonly log: Logger;
}

/**
 * Announces the completions of a batch. Never throws: after an error they stay on the row for the next round. Resolves to the
 * number of deliveries that wait now.
 */
export type Announce = (batchId: string) => Promise<number>;

/** Each conflict is another write of the batch. */
const CLEAR_TRIES = 10;

export function createAnnounce({ batches, webhooks, deliveries, now, log }: AnnounceDeps): Announce {
  /** Resolves to whether it waits. */
  async function addDelivery(delivery: WebhookDelivery): Promise<boolean> {
    const waiting = await deliveries.waitingCount(delivery, WEBHOOK_WAITING_MAX_COUNT);
    if (waiting < WEBHOOK_WAITING_MAX_COUNT) {
      await deliveries.add(delivery);
      return true;
    }
    const error = `${WEBHOOK_WAITING_MAX_COUNT} deliveries already wait for this webhook.`;
    await deliveries.end({ ...delivery, state: "failed", nextTryAt: undefined, error });
    return false;
  }

  /** Removes only what was announced: another completion may have come meanwhile. */
  async function clear(batchId: string, announced: ReadonlySet<number>): Promise<void> {
    let stored = await batches.get(batchId);
    for (let tries = 0; tries < CLEAR_TRIES && stored !== undefined; tries++) {
      const unannounced = stored.value.unannounced.filter(({ generation }) => !announced.has(generation));
      if (unannounced.length === stored.value.unannounced.length) return;
      const result = await batches.update(batchId, stored.etag, { unannounced });
      if (result.written) return;
      stored = result.current;
    }
  }

  async function announce(batchId: string): Promise<number> {
    const batch = (await batches.get(batchId))?.value;
    if (batch === undefined || batch.unannounced.length === 0) return 0;
    const receivers = (await webhooks.of(batch.tenantName)).filter(({ enabled }) => enabled);
    let count = 0;
    for (const end of batch.unannounced) {
      for (const webhook of receivers) if (await addDelivery(newWebhookDelivery(batch, end, webhook, now()))) count++;
    }
    await clear(batchId, new Set(batch.unannounced.map(({ generation }) => generation)));
    return count;
  }

  return async (batchId) => {
    try {
      return await announce(batchId);
    } catch (error) {
      log.warn(
        { ...batchLogFields(batchId), error: messageOf(error) },
        "the completion of a batch was not announced; trying again",
      );
      return 0;
    }
  };
}

const KEY_LENGTH = 32;

/** Its key and id are made from the batch and its generation, so that a repeat is the same delivery. */
function newWebhookDelivery(batch: Batch, end: BatchEnd, webhook: Webhook, now: Date): WebhookDelivery {
  const { generation, state, completedAt, counts } = end;
  const { id, event } = batchCompletedEvent({ ...batch, generation, state }, completedAt);
  const message: WebhookBatchCompleted = { ...event, counts: { ...counts, total: totalOf(counts) } };
  const digest = createHash("sha256").update(id).digest("hex").slice(0, KEY_LENGTH);
  return {
    tenantName: webhook.tenantName,
    webhookName: webhook.webhookName,
    webhookId: webhook.webhookId,
    key: `${newestFirst(completedAt)}${digest}`,
    messageId: `msg_${digest}`,
    batchId: batch.batchId,
    generation,
    body: JSON.stringify(message),
    createdAt: completedAt,
    state: "waiting",
    tries: 0,
    nextTryAt: now,
    triedAt: undefined,
    answerCode: undefined,
    answer: undefined,
    error: undefined,
  };
}
