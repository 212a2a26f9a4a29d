/** Operations on webhooks: register, read, test, rotate the secret, delete, list deliveries. */
import type { LooseFacts } from "../../core/audit.ts";
import { randomBytes } from "node:crypto";
import {
  ConflictError,
  invalidField,
  NotFoundError,
  TooManyRequestsError,
  UnavailableError,
} from "../../core/errors.ts";
import { WEBHOOK_SECRETS_MAX_COUNT, WEBHOOKS_MAX_COUNT } from "../../core/limits.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { DeliveryStore, WebhookStore } from "../../core/ports/webhook-store.ts";
import { emptySchema } from "../../core/http/requests.ts";
import { pageSchema, pageView } from "../../core/http/views.ts";
import {
  deliveryParams,
  deliveryView,
  deliveryViewSchema,
  listWebhooksSchema,
  putWebhookSchema,
  webhookParams,
  webhooksParams,
  webhookTestSchema,
  webhookView,
  webhookViewSchema,
  webhookWithSecretSchema,
  type WebhookPing,
} from "../../core/http/webhook-api.ts";
import { faultOfWebhookUrl } from "../webhooks/receiver-address.ts";
import { DEFAULT_WEBHOOK_EVENTS, rotatedSecrets, secretsAt, type Webhook } from "../../core/job/webhook.ts";
import type { Caller } from "../auth/caller.ts";
import { operation, type Operation } from "../http/operation.ts";
import { jsonBody } from "../http/read-request.ts";
import { type Post, newSecret, signedHeaders } from "../webhooks/post.ts";
import type { Clock } from "../../core/clock.ts";

export interface WebhookOperationDeps {
  readonly webhooks: WebhookStore;
  readonly deliveries: Pick<DeliveryStore, "list" | "again">;
  readonly post: Post;
  /** Also receivers on this machine. */
  readonly allowLoopback: boolean;
  readonly now: Clock["now"];
  readonly monotonicNow: Clock["monotonicNow"];
}

/** Tests that one instance runs at a time. Each holds a request and a connection to an address of the caller's choice. */
const TESTS_AT_ONCE = 8;
/** Each conflict is another write or removal of the same webhook. */
const CHANGE_TRIES = 10;

export const webhookOperations = (deps: WebhookOperationDeps): readonly Operation[] => [
  listWebhooks(deps),
  getWebhook(deps),
  putWebhook(deps),
  deleteWebhook(deps),
  rotateWebhookSecret(deps),
  testWebhook(deps),
  listWebhookDeliveries(deps),
  resendWebhookDelivery(deps),
];

interface WebhookName {
  readonly tenantName: string;
  readonly webhookName: string;
}

async function findWebhook(
  webhooks: WebhookStore,
  caller: Caller,
  { tenantName, webhookName }: WebhookName,
): Promise<Stored<Webhook>> {
  const stored = caller.mayUse(tenantName) ? await webhooks.get(tenantName, webhookName) : undefined;
  if (stored === undefined) throw noSuchWebhook(webhookName);
  return stored;
}

const listWebhooks = ({ webhooks, now }: WebhookOperationDeps) =>
  operation({
    id: "listWebhooks",
    method: "get",
    path: "/v1/tenants/{tenantName}/webhooks",
    tag: "Webhooks",
    summary: "List a tenant's webhooks",
    needs: "manage",
    params: webhooksParams,
    query: listWebhooksSchema,
    responses: { 200: { description: "A page, by name.", schema: pageSchema("WebhookPage", webhookViewSchema) } },
    errors: [],
    async handle({ caller, params: { tenantName }, query }) {
      // A tenant of others answers like a tenant without webhooks.
      if (!caller.mayUse(tenantName)) return { status: 200, body: { items: [] } };
      const page = await webhooks.list(tenantName, query);
      return { status: 200, body: pageView(page, (webhook) => webhookView(webhook, now())) };
    },
  });

const getWebhook = ({ webhooks, now }: WebhookOperationDeps) =>
  operation({
    id: "getWebhook",
    method: "get",
    path: "/v1/tenants/{tenantName}/webhooks/{webhookName}",
    tag: "Webhooks",
    summary: "Get a webhook",
    needs: "manage",
    params: webhookParams,
    responses: { 200: { description: "The webhook, without its secret.", schema: webhookViewSchema } },
    errors: ["WebhookNotFound"],
    handle: async ({ caller, params }) => ({
      status: 200,
      body: webhookView((await findWebhook(webhooks, caller, params)).value, now()),
    }),
  });

const putWebhook = ({ webhooks, allowLoopback, now }: WebhookOperationDeps) =>
  operation({
    id: "putWebhook",
    method: "put",
    path: "/v1/tenants/{tenantName}/webhooks/{webhookName}",
    tag: "Webhooks",
    summary: "Register or change a webhook",
    description:
      "The webhook receives a signed POST for each of its `events`: a batch is complete, jobs have failed, a timer has missed " +
      "ticks, a quota is full. Only the answer to its registration has its secret. If the secret is lost, rotate it. Enabling " +
      "a webhook clears the reason why it was disabled.",
    needs: "manage",
    params: webhookParams,
    body: jsonBody(putWebhookSchema),
    responses: {
      200: { description: "Changed.", schema: webhookViewSchema },
      201: { description: "Registered.", schema: webhookWithSecretSchema },
    },
    errors: ["TenantNotFound", "TooManyWebhooks"],
    async handle({ caller, params, body: { url, events, enabled }, changed }) {
      const { tenantName, webhookName } = params;
      if (!caller.mayUse(tenantName)) throw noSuchTenant(tenantName);
      const fault = faultOfWebhookUrl(url, { allowLoopback });
      if (fault !== undefined) throw invalidField("url", fault);
      for (let tries = 0; tries < CHANGE_TRIES; tries++) {
        const stored = await webhooks.get(tenantName, webhookName);
        if (stored === undefined) {
          // Two requests at the same moment may exceed the limit by one. It exists against large numbers.
          if ((await webhooks.of(tenantName)).length >= WEBHOOKS_MAX_COUNT) throw tooManyWebhooks();
          const secret = newSecret();
          const webhook = newWebhook(params, {
            url,
            events: events ?? DEFAULT_WEBHOOK_EVENTS,
            enabled,
            secret,
            createdBy: caller.name,
            createdAt: now(),
          });
          if (!(await webhooks.create(webhook))) continue;
          changed({ after: factsOfWebhook(webhook) });
          return { status: 201, body: { ...webhookView(webhook, now()), secret } };
        }
        const forgiven = enabled && { disabledBecause: undefined, failuresInRow: 0 };
        const webhook: Webhook = {
          ...stored.value,
          url,
          ...(events && { events }),
          enabled,
          ...forgiven,
          changedAt: now(),
        };
        if (!(await webhooks.replace(webhook, stored.etag))) continue;
        changed({ before: factsOfWebhook(stored.value), after: factsOfWebhook(webhook) });
        return { status: 200, body: webhookView(webhook, now()) };
      }
      throw changedByOthers();
    },
  });

interface NewWebhook extends Pick<Webhook, "url" | "events" | "enabled" | "createdAt" | "createdBy"> {
  readonly secret: string;
}

/** Its path and query can be a secret: whoever knows the address may post to it. */
const factsOfWebhook = ({ url, events, enabled }: Webhook): LooseFacts => ({
  origin: URL.parse(url)?.origin,
  events: events.join(", "),
  enabled,
});

function newWebhook({ tenantName, webhookName }: WebhookName, { secret, ...fields }: NewWebhook): Webhook {
  return {
    tenantName,
    webhookName,
    webhookId: randomBytes(8).toString("hex"),
    ...fields,
    disabledBecause: undefined,
    secrets: [{ value: secret, validUntil: undefined }],
    failuresInRow: 0,
    changedAt: fields.createdAt,
  };
}

const deleteWebhook = ({ webhooks }: WebhookOperationDeps) =>
  operation({
    id: "deleteWebhook",
    method: "delete",
    path: "/v1/tenants/{tenantName}/webhooks/{webhookName}",
    tag: "Webhooks",
    summary: "Delete a webhook",
    description: "Also deletes its deliveries, waiting ones too. A message that is being sent may still arrive.",
    needs: "manage",
    params: webhookParams,
    responses: { 204: { description: "Deleted." } },
    errors: ["WebhookNotFound"],
    async handle({ caller, params: { tenantName, webhookName }, changed }) {
      const stored = caller.mayUse(tenantName) ? await webhooks.get(tenantName, webhookName) : undefined;
      const removed = caller.mayUse(tenantName) && (await webhooks.remove(tenantName, webhookName));
      if (!removed) throw noSuchWebhook(webhookName);
      changed({ before: stored && factsOfWebhook(stored.value) });
      return { status: 204 };
    },
  });

const rotateWebhookSecret = ({ webhooks, now }: WebhookOperationDeps) =>
  operation({
    id: "rotateWebhookSecret",
    method: "post",
    path: "/v1/tenants/{tenantName}/webhooks/{webhookName}/rotate-secret",
    tag: "Webhooks",
    summary: "Rotate the secret of a webhook",
    description:
      "Only this answer has the new secret. For 24 hours messages are signed with the previous secret too, so that the " +
      "receiver can be updated.",
    needs: "manage",
    params: webhookParams,
    body: jsonBody(emptySchema, { required: false }),
    responses: { 200: { description: "The webhook with its new secret.", schema: webhookWithSecretSchema } },
    errors: ["WebhookNotFound", "TooManySecrets"],
    async handle({ caller, params }) {
      const secret = newSecret();
      for (let tries = 0; tries < CHANGE_TRIES; tries++) {
        const { value: webhook, etag } = await findWebhook(webhooks, caller, params);
        if (secretsAt(webhook, now()).length >= WEBHOOK_SECRETS_MAX_COUNT) throw tooManySecrets();
        const changed: Webhook = { ...webhook, secrets: rotatedSecrets(webhook, secret, now()), changedAt: now() };
        if (await webhooks.replace(changed, etag)) {
          return { status: 200, body: { ...webhookView(changed, now()), secret } };
        }
      }
      throw changedByOthers();
    },
  });

const testWebhook = (deps: WebhookOperationDeps) => {
  const beingTested = new Set<string>();
  return operation({
    id: "testWebhook",
    method: "post",
    path: "/v1/tenants/{tenantName}/webhooks/{webhookName}/test",
    tag: "Webhooks",
    summary: "Send a ping to a webhook",
    description:
      "The ping is signed like other messages and sent once, also to a disabled webhook. The answer says what came back.",
    needs: "manage",
    params: webhookParams,
    body: jsonBody(emptySchema, { required: false }),
    responses: {
      200: { description: "What the receiver answered, or why there was no answer.", schema: webhookTestSchema },
    },
    errors: ["WebhookNotFound"],
    async handle({ caller, params }) {
      const { value: webhook } = await findWebhook(deps.webhooks, caller, params);
      if (beingTested.size >= TESTS_AT_ONCE || beingTested.has(webhook.webhookId)) throw busyTesting();
      beingTested.add(webhook.webhookId);
      try {
        return { status: 200, body: await ping(webhook, deps) };
      } finally {
        beingTested.delete(webhook.webhookId);
      }
    },
  });
};

async function ping(webhook: Webhook, { post, now, monotonicNow }: WebhookOperationDeps) {
  const sentAt = now();
  const { tenantName, webhookName } = webhook;
  const message: WebhookPing = { version: 1, eventType: "ping", at: sentAt.toISOString(), tenantName, webhookName };
  const body = JSON.stringify(message);
  const messageId = `msg_${randomBytes(16).toString("hex")}`;
  const secrets = secretsAt(webhook, sentAt).map(({ value }) => value);
  const begunAt = monotonicNow();
  const result = await post(webhook.url, signedHeaders({ messageId, sentAt, body, secrets }), body);
  const durationMs = Math.round(monotonicNow() - begunAt);
  return { delivered: result.error === undefined, messageId, durationMs, ...result };
}

const listWebhookDeliveries = ({ webhooks, deliveries }: WebhookOperationDeps) =>
  operation({
    id: "listWebhookDeliveries",
    method: "get",
    path: "/v1/tenants/{tenantName}/webhooks/{webhookName}/deliveries",
    tag: "Webhooks",
    summary: "List the deliveries of a webhook",
    description: "Waiting deliveries, then the latest 100 that have ended, each newest first.",
    needs: "manage",
    params: webhookParams,
    query: listWebhooksSchema,
    responses: {
      200: { description: "A page.", schema: pageSchema("WebhookDeliveryPage", deliveryViewSchema) },
    },
    errors: ["WebhookNotFound"],
    async handle({ caller, params, query }) {
      const { value } = await findWebhook(webhooks, caller, params);
      return { status: 200, body: pageView(await deliveries.list(value, query), deliveryView) };
    },
  });

const resendWebhookDelivery = ({ webhooks, deliveries, now }: WebhookOperationDeps) =>
  operation({
    id: "resendWebhookDelivery",
    method: "post",
    path: "/v1/tenants/{tenantName}/webhooks/{webhookName}/deliveries/{messageId}/resend",
    tag: "Webhooks",
    summary: "Send a delivery again",
    description:
      "Sends the same message with the same `webhook-id`, within seconds, to the webhook's present address. A delivery that " +
      "waits is tried at once. A disabled webhook gets nothing: enable it first.",
    needs: "manage",
    params: deliveryParams,
    body: jsonBody(emptySchema, { required: false }),
    responses: { 202: { description: "It waits to be sent.", schema: deliveryViewSchema } },
    errors: ["WebhookNotFound", "DeliveryNotFound"],
    async handle({ caller, params }) {
      const { value } = await findWebhook(webhooks, caller, params);
      const delivery = await deliveries.again(value, params.messageId, now());
      if (delivery !== undefined) return { status: 202, body: deliveryView(delivery) };
      throw new NotFoundError("DeliveryNotFound", `${params.webhookName} has no delivery ${params.messageId}.`);
    },
  });

const noSuchWebhook = (webhookName: string): NotFoundError =>
  new NotFoundError("WebhookNotFound", `There is no webhook ${webhookName}.`);

const noSuchTenant = (tenantName: string): NotFoundError =>
  new NotFoundError("TenantNotFound", `There is no tenant ${tenantName}.`);

const tooManyWebhooks = (): ConflictError =>
  new ConflictError("TooManyWebhooks", `A tenant has at most ${WEBHOOKS_MAX_COUNT} webhooks.`);

const tooManySecrets = (): ConflictError =>
  new ConflictError(
    "TooManySecrets",
    `${WEBHOOK_SECRETS_MAX_COUNT} secrets of this webhook are in use. The oldest ends 24 hours after its rotation.`,
  );

const changedByOthers = (): UnavailableError =>
  new UnavailableError("StorageUnavailable", "The webhook changed during every attempt to write it. Retry later.");

const busyTesting = (): TooManyRequestsError =>
  new TooManyRequestsError("This webhook is being tested, or too many tests are running. Retry later.");
