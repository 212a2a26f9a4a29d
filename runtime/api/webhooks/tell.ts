/** Makes the deliveries of a message: one for each webhook of the tenant that wants to hear of it. */
import { createHash } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import type { WebhookMessage, WebhookPing } from "../../core/http/webhook-api.ts";
import { newestFirst } from "../../core/job/ids.ts";
import { type Webhook, type WebhookDelivery, type WebhookEvent, hears } from "../../core/job/webhook.ts";
import { WEBHOOK_WAITING_MAX_COUNT } from "../../core/limits.ts";
import type { DeliveryStore, WebhookStore } from "../../core/ports/webhook-store.ts";

export interface TellDeps {
  readonly webhooks: Pick<WebhookStore, "of">;
  readonly deliveries: Pick<DeliveryStore, "add" | "end" | "waitingCount">;
  readonly now: Clock["now"];
}

export interface Told {
  /** Names what is told. Told again, it is the same deliveries, which exist. */
  readonly id: string;
  readonly at: Date;
  readonly message: Exclude<WebhookMessage, WebhookPing>;
}

export interface Tell {
  /** Whether some webhook wants to hear of this. */
  readonly isWanted: (tenantName: string, eventType: WebhookEvent) => Promise<boolean>;
  /** Resolves to the number of deliveries that wait now. */
  readonly tell: (told: Told) => Promise<number>;
}

export function createTell({ webhooks, deliveries, now }: TellDeps): Tell {
  const receivers = async (tenantName: string, eventType: WebhookEvent): Promise<readonly Webhook[]> =>
    (await webhooks.of(tenantName)).filter((webhook) => hears(webhook, eventType));

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

  return {
    isWanted: async (tenantName, eventType) => (await receivers(tenantName, eventType)).length > 0,
    async tell(told) {
      let count = 0;
      const { tenantName, eventType } = told.message;
      for (const webhook of await receivers(tenantName, eventType)) {
        if (await addDelivery(newWebhookDelivery(told, webhook, now()))) count++;
      }
      return count;
    },
  };
}

const KEY_LENGTH = 32;

function newWebhookDelivery({ id, at, message }: Told, webhook: Webhook, now: Date): WebhookDelivery {
  const digest = createHash("sha256").update(id).digest("hex").slice(0, KEY_LENGTH);
  const { tenantName, webhookName, webhookId } = webhook;
  return {
    ...{ tenantName, webhookName, webhookId },
    key: `${newestFirst(at)}${digest}`,
    messageId: `msg_${digest}`,
    eventType: message.eventType,
    batchId: "batchId" in message ? message.batchId : undefined,
    generation: "generation" in message ? message.generation : undefined,
    body: JSON.stringify(message),
    createdAt: at,
    ...{ state: "waiting", tries: 0, nextTryAt: now, triedAt: undefined },
    ...{ answerCode: undefined, answer: undefined, error: undefined },
  };
}
