/** Webhooks in requests and answers of the web API, and the messages to receivers. */
import * as z from "zod";
import type { BatchCompleted, EVENT_VERSION } from "../job/events.ts";
import { WEBHOOK_NAME_MAX_LENGTH, WEBHOOK_URL_MAX_LENGTH } from "../limits.ts";
import { pageFields, tenantName } from "./requests.ts";
import type { BatchView, Frozen } from "./views.ts";
import { type WebhookDelivery, DELIVERY_STATES, secretsAt, type Webhook, WEBHOOK_EVENTS } from "../job/webhook.ts";
import type { QuotaName } from "../ports/quota-store.ts";

/** Part of addresses and row keys. */
export const WEBHOOK_NAME_PATTERN = new RegExp(`^(?=.{1,${WEBHOOK_NAME_MAX_LENGTH}}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$`);

const webhookName = z
  .string()
  .regex(WEBHOOK_NAME_PATTERN, `must be 1 to ${WEBHOOK_NAME_MAX_LENGTH} lower-case letters, digits or inner hyphens`)
  .meta({ description: "Names the webhook within its tenant.", examples: ["billing"] });

export const webhooksParams = z.object({ tenantName: tenantName.meta({ description: "Whose webhooks." }) });
export const webhookParams = webhooksParams.extend({ webhookName });
export const deliveryParams = webhookParams.extend({
  messageId: z
    .string()
    .regex(/^msg_[0-9a-f]{1,64}$/, "must be the `messageId` of a delivery")
    .meta({ description: "The `webhook-id` of the message." }),
});
export const listWebhooksSchema = z.strictObject(pageFields);

export const putWebhookSchema = z
  .strictObject({
    url: z
      .string()
      .max(WEBHOOK_URL_MAX_LENGTH, `must have at most ${WEBHOOK_URL_MAX_LENGTH} characters`)
      .meta({
        description: "https, port 443, a public host, no user name; redirects are not followed.",
        examples: ["https://hooks.example.com/jobyard"],
      }),
    events: z
      .array(z.enum(WEBHOOK_EVENTS))
      .min(1, "must name at least one event")
      .refine((events) => new Set(events).size === events.length, "must name each event once")
      .optional()
      .meta({ description: "What it is told of. Default: as before; a new one is told of completed batches." }),
    enabled: z.boolean().default(true).meta({ description: "A disabled one is sent nothing but tests." }),
  })
  .meta({ id: "PutWebhook" });

const webhookFields = {
  tenantName: z.string(),
  webhookName: z.string(),
  url: z.string(),
  events: z.array(z.string()).meta({ description: "What it is told of." }),
  enabled: z.boolean(),
  disabledBecause: z.string().optional().meta({ description: "Why the service disabled it." }),
  previousSecretUntil: z.iso.datetime().optional().meta({
    description: "Until then messages are signed with the secret before the last rotation, too.",
  }),
  createdAt: z.iso.datetime(),
  createdBy: z.string(),
  changedAt: z.iso.datetime(),
};

export const webhookViewSchema = z
  .object(webhookFields)
  .meta({ id: "Webhook", description: "An address that is told what happens to the tenant's jobs." });

export const webhookWithSecretSchema = z
  .object({
    ...webhookFields,
    secret: z.string().meta({ description: "Verifies what the webhook receives. Never shown again." }),
  })
  .meta({ id: "WebhookWithSecret" });

const resultFields = {
  answerCode: z.int().optional().meta({ description: "Status of the last answer. Absent: none came." }),
  answer: z.string().optional().meta({ description: "The begin of its text." }),
  error: z.string().optional().meta({ description: "Why the last try did not arrive." }),
};

export const webhookTestSchema = z
  .object({
    delivered: z.boolean().meta({ description: "The receiver answered with a status of 200 to 299 in time." }),
    messageId: z.string().meta({ description: "The `webhook-id` it was sent." }),
    durationMs: z.int().min(0),
    ...resultFields,
  })
  .meta({ id: "WebhookTest", description: "What became of a ping." });

export const deliveryViewSchema = z
  .object({
    messageId: z.string().meta({ description: "The `webhook-id`, the same in every try." }),
    eventType: z.string(),
    batchId: z.string().optional().meta({ description: "Of `batchCompleted` and `jobsFailed`." }),
    generation: z.int().optional().meta({ description: "Of `batchCompleted`." }),
    state: z.enum(DELIVERY_STATES).meta({
      description: "`waiting`: will be tried at `nextTryAt`. `failed`: given up.",
    }),
    createdAt: z.iso.datetime(),
    tries: z.int().min(0),
    triedAt: z.iso.datetime().optional(),
    nextTryAt: z.iso.datetime().optional(),
    ...resultFields,
  })
  .meta({ id: "WebhookDelivery", description: "One message to one webhook, and what became of it." });

export type PutWebhookBody = Readonly<z.input<typeof putWebhookSchema>>;
export type WebhookView = Frozen<z.infer<typeof webhookViewSchema>>;
export type WebhookWithSecret = Frozen<z.infer<typeof webhookWithSecretSchema>>;
export type WebhookTestView = Frozen<z.infer<typeof webhookTestSchema>>;
export type WebhookDeliveryView = Frozen<z.infer<typeof deliveryViewSchema>>;

export function webhookView(webhook: Webhook, now: Date): WebhookView {
  const { createdAt, changedAt, disabledBecause } = webhook;
  const [previous] = secretsAt(webhook, now).flatMap(({ validUntil }) => validUntil ?? []);
  return {
    tenantName: webhook.tenantName,
    webhookName: webhook.webhookName,
    url: webhook.url,
    events: [...webhook.events],
    enabled: webhook.enabled,
    ...(disabledBecause !== undefined && { disabledBecause }),
    ...(previous && { previousSecretUntil: previous.toISOString() }),
    createdAt: createdAt.toISOString(),
    createdBy: webhook.createdBy,
    changedAt: changedAt.toISOString(),
  };
}

export const deliveryView = ({
  triedAt,
  nextTryAt,
  answerCode,
  answer,
  error,
  ...rest
}: WebhookDelivery): WebhookDeliveryView => ({
  messageId: rest.messageId,
  eventType: rest.eventType,
  ...(rest.batchId !== undefined && { batchId: rest.batchId }),
  ...(rest.generation !== undefined && { generation: rest.generation }),
  state: rest.state,
  createdAt: rest.createdAt.toISOString(),
  tries: rest.tries,
  ...(triedAt && { triedAt: triedAt.toISOString() }),
  ...(nextTryAt && { nextTryAt: nextTryAt.toISOString() }),
  ...(answerCode !== undefined && { answerCode }),
  ...(answer !== undefined && { answer }),
  ...(error !== undefined && { error }),
});

// --- Messages to receivers -------------------------------------------------------------------------------------------

/** The event `batchCompleted` with the counts of its generation's end. */
export interface WebhookBatchCompleted extends BatchCompleted {
  readonly counts: NonNullable<BatchView["counts"]>;
}

interface WebhookNotice {
  readonly version: typeof EVENT_VERSION;
  readonly at: string;
  readonly tenantName: string;
}

/** Jobs of a batch have failed for good. */
export interface WebhookJobsFailed extends WebhookNotice {
  readonly eventType: "jobsFailed";
  readonly batchId: string;
  readonly batchName: string;
  /** How many, since the message before. */
  readonly failed: number;
  /** How many ever. It only grows: a requeue takes nothing from it. */
  readonly failures: number;
  /** Some of them. */
  readonly jobIds: readonly string[];
}

/** A timer has missed ticks. */
export interface WebhookTimerMissed extends WebhookNotice {
  readonly eventType: "timerMissed";
  readonly packageName: string;
  readonly timerName: string;
  /** How many, since the message before. */
  readonly missed: number;
  /** How many ever. */
  readonly missedCount: number;
  readonly lastMissedAt?: string;
}

/** A quota refused a request, the first time that day (UTC). */
export interface WebhookQuotaFull extends WebhookNotice {
  readonly eventType: "quotaFull";
  readonly quota: QuotaName;
  readonly limit: number;
  readonly used: number;
}

export interface WebhookPing {
  readonly version: typeof EVENT_VERSION;
  readonly eventType: "ping";
  readonly at: string;
  readonly tenantName: string;
  readonly webhookName: string;
}

/** What receivers are sent. Further types may be added. */
export type WebhookMessage =
  WebhookBatchCompleted | WebhookJobsFailed | WebhookTimerMissed | WebhookQuotaFull | WebhookPing;
