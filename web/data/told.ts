/** Which messages follow a batch's end, of a webhook's latest. */
import type { BatchView, WebhookDeliveryView, WebhookView } from "../../runtime/client/index.ts";

/** A webhook, and a message to it about a batch. Undefined: the message about its end, which is not among its latest. */
export interface Told {
  readonly webhook: WebhookView;
  readonly delivery: WebhookDeliveryView | undefined;
}

/** What a webhook is told of a batch: first the end that is to come or was not told, then its messages about the batch. */
export function toldOf(
  batch: BatchView,
  webhook: WebhookView,
  latest: readonly WebhookDeliveryView[],
): readonly Told[] {
  const about = latest.filter(({ batchId }) => batchId === batch.batchId).map((delivery) => ({ webhook, delivery }));
  // Each generation of a batch has an end of its own: other messages, and the end before a requeue, do not stand for it.
  const isEndTold = about.some(
    ({ delivery: { eventType, generation } }) => eventType === "batchCompleted" && generation === batch.generation,
  );
  const isTold = isEndTold || !webhook.events.includes("batchCompleted");
  return isTold ? about : [{ webhook, delivery: undefined }, ...about];
}

/** A message is made within seconds of the end. */
const MADE_WITHIN_MS = 60_000;

/** Whether another message, or news of one, is likely soon. */
export function isToldSoon({ completedAt }: BatchView, told: readonly Told[], now: number): boolean {
  if (completedAt === undefined || told.some(({ delivery }) => delivery?.state === "waiting")) return told.length > 0;
  const isFresh = now - Date.parse(completedAt) < MADE_WITHIN_MS;
  return isFresh && told.some(({ webhook, delivery }) => delivery === undefined && webhook.enabled);
}
