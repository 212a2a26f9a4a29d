/**
 * What a webhook and a delivery to it are, and when a delivery is tried again. Deliveries are at least once: the same
 * message id means the same message.
 */
import { WEBHOOK_FAILURES_MAX_COUNT, WEBHOOK_MAX_TRIES, WEBHOOK_SECRET_OVERLAP_MS } from "../limits.ts";

export interface WebhookSecret {
  /** `whsec_` and base64, as receivers are given it. */
  readonly value: string;
  /** Undefined: the current one. */
  readonly validUntil: Date | undefined;
}

/**
 * What a webhook can be told of: a batch is complete, jobs have failed for good, a timer has missed ticks, a quota is full.
 */
export const WEBHOOK_EVENTS = ["batchCompleted", "jobsFailed", "timerMissed", "quotaFull"] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];
/** Of a webhook that names none. */
export const DEFAULT_WEBHOOK_EVENTS: readonly WebhookEvent[] = ["batchCompleted"];

/** An address that is told what happens to a tenant. */
export interface Webhook {
  readonly tenantName: string;
  readonly webhookName: string;
  /** New for each webhook, so that deliveries of a deleted one never reach another of the same name. */
  readonly webhookId: string;
  readonly url: string;
  /** What it is told of. Words of a later release stay. */
  readonly events: readonly string[];
  readonly enabled: boolean;
  /** Why the service disabled it. */
  readonly disabledBecause: string | undefined;
  /** Newest first. */
  readonly secrets: readonly WebhookSecret[];
  /** Deliveries given up since the last that arrived. */
  readonly failuresInRow: number;
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly changedAt: Date;
}

export const DELIVERY_STATES = ["waiting", "delivered", "failed"] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** One message to one webhook. */
export interface WebhookDelivery {
  readonly tenantName: string;
  readonly webhookName: string;
  readonly webhookId: string;
  /** Names it among those of its webhook; sorts newest first. The same however often the message is announced. */
  readonly key: string;
  /** `webhook-id`: the same in every try, and for every webhook of the tenant. */
  readonly messageId: string;
  readonly eventType: string;
  /** Of `batchCompleted` and `jobsFailed`. */
  readonly batchId: string | undefined;
  /** Of `batchCompleted`. */
  readonly generation: number | undefined;
  /** What is sent, byte for byte. */
  readonly body: string;
  readonly createdAt: Date;
  readonly state: DeliveryState;
  readonly tries: number;
  /** Of a waiting delivery: when it is tried next. */
  readonly nextTryAt: Date | undefined;
  /** Of the last try. */
  readonly triedAt: Date | undefined;
  readonly answerCode: number | undefined;
  readonly answer: string | undefined;
  readonly error: string | undefined;
}

/** Whether it is sent messages of this type. */
export const hears = ({ enabled, events }: Pick<Webhook, "enabled" | "events">, eventType: WebhookEvent): boolean =>
  enabled && events.includes(eventType);

/** The delivery as it is sent once more, with all its tries. */
export const waitingAgain = (delivery: WebhookDelivery, now: Date): WebhookDelivery => ({
  ...delivery,
  state: "waiting",
  tries: 0,
  nextTryAt: now,
  triedAt: undefined,
  answerCode: undefined,
  answer: undefined,
  error: undefined,
});

/** The secrets that sign now. */
export const secretsAt = ({ secrets }: Pick<Webhook, "secrets">, now: Date): readonly WebhookSecret[] =>
  secrets.filter(({ validUntil }) => validUntil === undefined || validUntil > now);

/** The new secret in front. The former one also signs for WEBHOOK_SECRET_OVERLAP_MS. */
export function rotatedSecrets(webhook: Pick<Webhook, "secrets">, value: string, now: Date): readonly WebhookSecret[] {
  const overlapEnd = new Date(now.getTime() + WEBHOOK_SECRET_OVERLAP_MS);
  const before = secretsAt(webhook, now);
  return [
    { value, validUntil: undefined },
    ...before.map((secret) => ({ ...secret, validUntil: secret.validUntil ?? overlapEnd })),
  ];
}

// --- Trying again ----------------------------------------------------------------------------------------------------

const FIRST_BACKOFF_MS = 30_000;
/** 30 s, 1.7 min, 6 min, 21 min, 75 min, 4.4 h, 15 h: 21 hours in all. */
const BACKOFF_FACTOR = 3.5;
const JITTER = 0.2;

/** Milliseconds to the next try after `tries`; undefined: that was the last. `random` is from 0 to 1. */
export function webhookBackoffMs(tries: number, random: number): number | undefined {
  if (tries >= WEBHOOK_MAX_TRIES) return undefined;
  return Math.round(FIRST_BACKOFF_MS * BACKOFF_FACTOR ** (tries - 1) * (1 + JITTER * (2 * random - 1)));
}

/** What came back from a receiver. */
export interface PostResult {
  /** Undefined: no answer came. */
  readonly answerCode?: number;
  /** The beginning of the answer's text. */
  readonly answer?: string;
  /** Why there is no successful answer, for people. */
  readonly error?: string;
}

export type DeliveryVerdict =
  | { readonly state: "delivered" }
  | { readonly state: "waiting"; readonly inMs: number }
  /** `disables`: why the webhook gets no more. */
  | { readonly state: "failed"; readonly disables?: string };

const GONE = 410;

/** The state of a delivery after a try. `tries` includes it; `failuresInRow` is the webhook's. */
export function judgeTry(
  { answerCode }: Pick<PostResult, "answerCode">,
  { tries, failuresInRow }: { readonly tries: number; readonly failuresInRow: number },
  random: number,
): DeliveryVerdict {
  if (answerCode !== undefined && answerCode >= 200 && answerCode < 300) return { state: "delivered" };
  if (answerCode === GONE) return { state: "failed", disables: "The receiver answered 410: it wants no more." };
  const inMs = webhookBackoffMs(tries, random);
  if (inMs !== undefined) return { state: "waiting", inMs };
  return failuresInRow + 1 < WEBHOOK_FAILURES_MAX_COUNT
    ? { state: "failed" }
    : { state: "failed", disables: `${WEBHOOK_FAILURES_MAX_COUNT} deliveries in a row were given up.` };
}
