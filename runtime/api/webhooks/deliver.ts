/**
 * Sends deliveries that are due. A process claims a delivery by a write on its version that sets the next try. So only one
 * of several processes sends it, and it is tried again if that process dies. Each receiver and each tenant has a number of
 * slots; deliveries without a free slot are skipped.
 */
import { messageOf } from "../../core/errors.ts";
import { WEBHOOK_AT_ONCE, WEBHOOK_TENANT_AT_ONCE, WEBHOOK_TIMEOUT_MS, WEBHOOKS_AT_ONCE } from "../../core/limits.ts";
import type { Logger } from "../../core/logger.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { DeliveryStore, WebhookStore } from "../../core/ports/webhook-store.ts";
import type { Unreadable } from "../../core/unreadable.ts";
import { type WebhookDelivery, judgeTry, type PostResult, secretsAt, type Webhook } from "../../core/job/webhook.ts";
import { type Post, signedHeaders } from "./post.ts";
import type { Clock } from "../../core/clock.ts";
import type { Metrics } from "../../telemetry/metrics.ts";

export interface DeliverDeps {
  readonly webhooks: Pick<WebhookStore, "get" | "replace">;
  readonly deliveries: DeliveryStore;
  readonly post: Post;
  readonly unreadable: Pick<Unreadable, "note">;
  readonly now: Clock["now"];
  /** 0 to 1. */
  readonly random: () => number;
  readonly metrics: Pick<Metrics, "webhookDeliveries">;
  readonly log: Logger;
}

export interface Deliverer {
  /**
   * Starts every due delivery that has a slot. Resolves to whether some had none. Throws UnavailableError.
   */
  round(): Promise<boolean>;
  /** Resolves when a running delivery has ended; at once when none is running. */
  next(): Promise<void>;
  /** Resolves when no delivery is running. */
  idle(): Promise<void>;
  readonly count: number;
}

/** A process that has not written the result by then has died. Another one may try. */
export const CLAIM_MS = WEBHOOK_TIMEOUT_MS + 50_000;
const PAGE = 50;
/** Each conflict is another write of the webhook. */
const NOTE_TRIES = 5;

export function createDeliverer(deps: DeliverDeps): Deliverer {
  const { webhooks, deliveries, post, unreadable, now, random, metrics, log } = deps;
  const underWay = new Map<string, Promise<void>>();
  const perWebhook = new Map<string, number>();
  const perTenant = new Map<string, number>();
  /** Where the last round ran out of slots. The next round starts there. */
  let cursor = "";

  const webhookKey = ({ tenantName, webhookId }: WebhookDelivery): string => `${tenantName}.${webhookId}`;
  const add = (counts: Map<string, number>, key: string, change: number): void => {
    const count = (counts.get(key) ?? 0) + change;
    if (count === 0) counts.delete(key);
    else counts.set(key, count);
  };

  function begin(stored: Stored<WebhookDelivery>, place: string): void {
    const { value } = stored;
    add(perWebhook, webhookKey(value), 1);
    add(perTenant, value.tenantName, 1);
    const sending = deliver(stored)
      .catch((error: unknown) => {
        // The delivery is due again when its claim ends.
        log.warn({ ...fieldsOf(value), error: messageOf(error) }, "a delivery failed; it is tried again");
      })
      .finally(() => {
        underWay.delete(place);
        add(perWebhook, webhookKey(value), -1);
        add(perTenant, value.tenantName, -1);
      });
    underWay.set(place, sending);
  }

  async function deliver({ value: delivery, etag }: Stored<WebhookDelivery>): Promise<void> {
    const webhook = (await webhooks.get(delivery.tenantName, delivery.webhookName))?.value;
    if (webhook?.webhookId !== delivery.webhookId) {
      await deliveries.drop(delivery);
      return;
    }
    if (!webhook.enabled) {
      await deliveries.end({ ...delivery, state: "failed", nextTryAt: undefined, error: "The webhook is disabled." });
      return;
    }
    const tries = delivery.tries + 1;
    const triedAt = now();
    const nextTryAt = new Date(triedAt.getTime() + CLAIM_MS);
    const claim = await deliveries.change(delivery, etag, { tries, triedAt, nextTryAt });
    // Another process has it.
    if (claim === undefined) return;
    const headers = signedHeaders({
      messageId: delivery.messageId,
      sentAt: triedAt,
      body: delivery.body,
      secrets: secretsAt(webhook, triedAt).map(({ value }) => value),
    });
    const result = await post(webhook.url, headers, delivery.body);
    await note({ ...delivery, tries, triedAt, ...outcomeOf(result) }, claim, result, webhook);
  }

  async function note(delivery: WebhookDelivery, claim: string, result: PostResult, webhook: Webhook): Promise<void> {
    const verdict = judgeTry(result, { tries: delivery.tries, failuresInRow: webhook.failuresInRow }, random());
    const { state } = verdict;
    // Not the receiver's address and not what it answered: both are the tenant's.
    const fields = { ...fieldsOf(delivery), tries: delivery.tries, state, status: result.answerCode };
    if (state === "delivered") log.info(fields, "webhook delivered");
    else log.warn(fields, "webhook not delivered");
    const outcome = verdict.state === "waiting" ? "failed" : verdict.state === "failed" ? "given-up" : verdict.state;
    metrics.webhookDeliveries.add(1, { tenant: delivery.tenantName, outcome });
    if (verdict.state === "waiting") {
      const nextTryAt = new Date(now().getTime() + verdict.inMs);
      await deliveries.change(delivery, claim, { nextTryAt, ...outcomeOf(result) });
      return;
    }
    await deliveries.end({ ...delivery, state: verdict.state, nextTryAt: undefined });
    if (verdict.state === "delivered") {
      if (webhook.failuresInRow > 0) await noteWebhook(delivery, () => ({ failuresInRow: 0 }));
      return;
    }
    const { disables } = verdict;
    await noteWebhook(delivery, ({ failuresInRow }) => ({
      failuresInRow: failuresInRow + 1,
      ...(disables !== undefined && { enabled: false, disabledBecause: disables }),
    }));
    if (disables !== undefined) {
      log.warn({ ...fieldsOf(delivery), disables }, "a webhook is disabled");
    }
  }

  async function noteWebhook(
    delivery: WebhookDelivery,
    changes: (webhook: Webhook) => Partial<Webhook>,
  ): Promise<void> {
    for (let tries = 0; tries < NOTE_TRIES; tries++) {
      const stored = await webhooks.get(delivery.tenantName, delivery.webhookName);
      // Another webhook of that name has nothing to do with it.
      if (stored?.value.webhookId !== delivery.webhookId) return;
      if (await webhooks.replace({ ...stored.value, ...changes(stored.value) }, stored.etag)) return;
    }
  }

  /** From behind a place to the end. Resolves to whether some were skipped. `full`: no slot is left. */
  async function sweep(from: string): Promise<{ readonly left: boolean; readonly full: boolean }> {
    let after = from;
    let left = false;
    for (;;) {
      const page = await deliveries.due(after, now(), PAGE, unreadable.note);
      let skipTo: string | undefined;
      for (const stored of page) {
        const { value } = stored;
        const place = deliveries.placeOf(value);
        if (underWay.has(place)) {
          after = place;
          continue;
        }
        if (underWay.size >= WEBHOOKS_AT_ONCE) {
          cursor = after;
          return { left: true, full: true };
        }
        if ((perTenant.get(value.tenantName) ?? 0) >= WEBHOOK_TENANT_AT_ONCE) {
          skipTo = deliveries.placeAfter(value.tenantName);
        } else if ((perWebhook.get(webhookKey(value)) ?? 0) >= WEBHOOK_AT_ONCE) {
          skipTo = deliveries.placeAfter(value.tenantName, value.webhookId);
        } else {
          begin(stored, place);
          after = place;
          continue;
        }
        break;
      }
      if (skipTo === undefined && page.length < PAGE) return { left, full: false };
      if (skipTo !== undefined) {
        left = true;
        after = skipTo;
      }
    }
  }

  return {
    get count() {
      return underWay.size;
    },
    async round() {
      const from = cursor;
      cursor = "";
      const first = await sweep(from);
      if (first.full || from === "") return first.left;
      // Deliveries before the place where the last round stopped.
      return (await sweep("")).left || first.left;
    },
    async next() {
      if (underWay.size > 0) await Promise.race(underWay.values());
    },
    async idle() {
      while (underWay.size > 0) await Promise.all(underWay.values());
    },
  };
}

/** What the log says of a delivery. */
const fieldsOf = ({ tenantName, webhookName, eventType, batchId, messageId }: WebhookDelivery) => ({
  ...{ tenantName, webhookName, eventType, messageId },
  ...(batchId !== undefined && { batchId }),
});

const outcomeOf = ({ answerCode, answer, error }: PostResult) => ({ answerCode, answer, error });
