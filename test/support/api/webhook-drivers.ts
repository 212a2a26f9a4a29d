/** For each operation on webhooks the requests for the statuses that depend on what it does, by status. */
import { WEBHOOK_SECRETS_MAX_COUNT, WEBHOOKS_MAX_COUNT } from "../../../runtime/core/limits.ts";
import { deliveryOf } from "../builders.ts";
import type { TestApi } from "./test-api.ts";
import { freshTenant } from "../stores/test-storage.ts";
import type { WireRequest } from "./wire.ts";

type Driver = () => WireRequest | Promise<WireRequest>;

const WEBHOOK = { url: "https://hooks.example.com/jobyard" };
const NO_WEBHOOK = "/v1/tenants/acme/webhooks/none";
const NEVER = new Date("9999-01-01T00:00:00Z");

const get = (path: string): WireRequest => ({ method: "GET", path });
const del = (path: string): WireRequest => ({ method: "DELETE", path });
const send = (method: string, path: string, body: object): WireRequest => ({
  method,
  path,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});
const post = (path: string): WireRequest => send("POST", path, {});

/** Callers must not be allowed the tenant `foreign`. */
export function webhookDrivers(api: TestApi): Readonly<Record<string, Readonly<Record<number, Driver>>>> {
  /** The path of a webhook that a message waits for, and that another one was sent to. */
  async function known(): Promise<string> {
    const tenantName = freshTenant();
    for (const name of ["billing", "other"]) await api.put(`/v1/tenants/${tenantName}/webhooks/${name}`, WEBHOOK);
    const webhook = (await api.webhooks.get(tenantName, "billing"))?.value;
    if (webhook === undefined) throw new Error("The webhook is not there.");
    await api.deliveries.add(deliveryOf(webhook, { nextTryAt: NEVER }));
    const tried = {
      tries: 1,
      triedAt: new Date(),
      nextTryAt: undefined,
      answerCode: 410,
      answer: "no",
      error: "Gone.",
    };
    await api.deliveries.end(deliveryOf(webhook, { state: "failed", ...tried }));
    return `/v1/tenants/${tenantName}/webhooks/billing`;
  }

  return {
    listWebhooks: {
      200: async () => get(`${(await known()).replace("/billing", "")}?pageSize=1`),
    },
    getWebhook: {
      200: async () => get(await known()),
      404: () => get(NO_WEBHOOK),
    },
    putWebhook: {
      200: async () => send("PUT", await known(), { ...WEBHOOK, enabled: false }),
      201: () => send("PUT", `/v1/tenants/${freshTenant()}/webhooks/billing`, WEBHOOK),
      404: () => send("PUT", "/v1/tenants/foreign/webhooks/billing", WEBHOOK),
      409: async () => {
        const webhooks = `/v1/tenants/${freshTenant()}/webhooks`;
        for (let i = 0; i < WEBHOOKS_MAX_COUNT; i++) await api.put(`${webhooks}/n${i}`, WEBHOOK);
        return send("PUT", `${webhooks}/one-more`, WEBHOOK);
      },
    },
    deleteWebhook: {
      204: async () => del(await known()),
      404: () => del(NO_WEBHOOK),
    },
    rotateWebhookSecret: {
      200: async () => post(`${await known()}/rotate-secret`),
      404: () => post(`${NO_WEBHOOK}/rotate-secret`),
      409: async () => {
        const path = `${await known()}/rotate-secret`;
        for (let i = 1; i < WEBHOOK_SECRETS_MAX_COUNT; i++) await api.post(path);
        return post(path);
      },
    },
    testWebhook: {
      200: async () => post(`${await known()}/test`),
      404: () => post(`${NO_WEBHOOK}/test`),
    },
    resendWebhookDelivery: {
      202: async () => {
        const webhook = await known();
        const { body } = await api.get(`${webhook}/deliveries`);
        return post(`${webhook}/deliveries/${body.items[1]?.messageId}/resend`);
      },
      404: async () => post(`${await known()}/deliveries/msg_0/resend`),
    },
    listWebhookDeliveries: {
      200: async () => get(`${await known()}/deliveries`),
      404: () => get(`${NO_WEBHOOK}/deliveries`),
    },
  };
}
