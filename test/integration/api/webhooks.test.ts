import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { createPost } from "../../../runtime/api/webhooks/post.ts";
import { verifyWebhook, type WebhookTestView } from "../../../runtime/client/index.ts";
import { WEBHOOK_NAME_MAX_LENGTH, WEBHOOKS_MAX_COUNT } from "../../../runtime/core/limits.ts";
import type { WebhookWithSecret } from "../../../runtime/core/http/webhook-api.ts";
import { deliveryOf } from "../../support/builders.ts";
import { letterQueue } from "../../support/bus/letter-queue.ts";
import { startTestApi } from "../../support/api/test-api.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startReceiver, type WebhookReceiver } from "../../support/webhooks/webhook-receiver.ts";

const said: string[] = [];
const say = (fields: unknown, message: string): void => void said.push(JSON.stringify(fields), message);
const log = { info: say, warn: say, error: say, child: () => log };
const post = createPost({
  resolve: () => Promise.reject(new Error("Nobody has a name here.")),
  allowLoopback: true,
  timeoutMs: 5_000,
});
const api = await startTestApi(letterQueue().queue, { postWebhook: post, allowLoopbackWebhooks: true, log });
const strict = await startTestApi(letterQueue().queue);
const NEVER = new Date("9999-01-01T00:00:00Z");
let tenantName: string;
let webhooks: string;
let receiver: WebhookReceiver;
beforeEach(async () => {
  tenantName = freshTenant();
  webhooks = `/v1/tenants/${tenantName}/webhooks`;
  receiver = await startReceiver();
});
afterEach(() => receiver[Symbol.asyncDispose]());
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await strict[Symbol.asyncDispose]();
});

/** As answers of these routes are; the contract has judged them. */
const bodyOf = ({ body }: { readonly body: unknown }) => body as WebhookWithSecret & WebhookTestView;
const register = async (name = "billing", fields: object = {}): Promise<WebhookWithSecret> => {
  const answer = await api.put(`${webhooks}/${name}`, { url: receiver.url, ...fields });
  expect(answer.status).toBe(201);
  return bodyOf(answer);
};

describe("a webhook", () => {
  it("shows its secret when it is registered, and never again, nor to any log", async () => {
    const made = await register();
    expect(made.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const changed = await api.put(`${webhooks}/billing`, { url: `${receiver.url}/2` });
    expect(changed).toMatchObject({ status: 200, body: { url: `${receiver.url}/2`, enabled: true } });
    await api.post(`${webhooks}/billing/test`);
    const later = [
      changed,
      await api.get(`${webhooks}/billing`),
      await api.get(webhooks),
      await api.get(`${webhooks}/billing/deliveries`),
      await api.post(`${webhooks}/billing/rotate-secret`),
    ];
    for (const { body } of later) expect(JSON.stringify(body)).not.toContain(made.secret);
    const { secret } = bodyOf(later[4]!);
    const log = said.join("\n");
    expect(log).toContain("rotate-secret");
    for (const one of [made.secret, secret]) expect(log).not.toContain(one.slice("whsec_".length));
  });

  it("is told of completed batches, or of the events that it names, which stay when a change names none", async () => {
    expect(await register()).toMatchObject({ events: ["batchCompleted"] });
    const named = await register("alerts", { events: ["jobsFailed", "quotaFull"] });
    expect(named).toMatchObject({ events: ["jobsFailed", "quotaFull"] });
    const disabled = await api.put(`${webhooks}/alerts`, { url: receiver.url, enabled: false });
    expect(disabled.body).toMatchObject({ events: ["jobsFailed", "quotaFull"], enabled: false });
    for (const events of [[], ["jobFailed"], ["quotaFull", "quotaFull"]]) {
      const refused = await api.put(`${webhooks}/alerts`, { url: receiver.url, events });
      expect([refused.status, JSON.stringify(refused.body)]).toEqual([400, expect.stringContaining("events")]);
    }
  });

  it("is listed by name, a page at a time", async () => {
    for (const name of ["c", "a", "b"]) await register(name);
    const first = await api.get(`${webhooks}?pageSize=2`);
    expect(first.body.items).toMatchObject([{ webhookName: "a" }, { webhookName: "b" }]);
    const rest = await api.get(`${webhooks}?pageSize=2&continuationToken=${first.body.continuationToken}`);
    expect(rest.body.items).toMatchObject([{ webhookName: "c" }]);
    expect(rest.body.continuationToken).toBeUndefined();
    expect((await api.get(`${webhooks}?continuationToken=bm9uZQ`)).status).toBe(400);
  });

  it("is one of at most so many", async () => {
    for (let i = 0; i < WEBHOOKS_MAX_COUNT; i++) await register(`n${i}`);
    const refused = await api.put(`${webhooks}/more`, { url: receiver.url });
    expect(refused).toMatchObject({ status: 409, body: { error: { code: "TooManyWebhooks" } } });
    // One that is there may be changed.
    expect((await api.put(`${webhooks}/n0`, { url: receiver.url })).status).toBe(200);
  });

  it.each(["A", "a_b", "-a", "a.b", "a".repeat(WEBHOOK_NAME_MAX_LENGTH + 1), "~waiting"])(
    "is not called %s",
    async (name) => {
      const { status, body } = await api.put(`${webhooks}/${name}`, { url: receiver.url });
      expect({ status, target: body.error.target }).toEqual({ status: 400, target: "webhookName" });
    },
  );

  it.each([
    "http://hooks.example.com",
    "https://10.0.0.1",
    "https://[::ffff:169.254.169.254]/",
    "http://127.0.0.1:80",
    "https://localhost",
    "https://u:p@hooks.example.com",
    `https://hooks.example.com/${"x".repeat(2_000)}`,
    "nonsense",
  ])("is not sent to %s", async (url) => {
    const { status, body } = await strict.put(`${webhooks}/billing`, { url });
    expect({ status, target: body.error.target }).toEqual({ status: 400, target: "url" });
    expect((await strict.get(webhooks)).body.items).toEqual([]);
  });

  it("forgets why it was disabled when it is enabled", async () => {
    await register();
    const stored = (await api.webhooks.get(tenantName, "billing"))!;
    const off = { ...stored.value, enabled: false, disabledBecause: "It was gone.", failuresInRow: 3 };
    await api.webhooks.replace(off, stored.etag);
    expect((await api.get(`${webhooks}/billing`)).body).toMatchObject({ disabledBecause: "It was gone." });
    const still = await api.put(`${webhooks}/billing`, { url: receiver.url, enabled: false });
    expect(still.body).toMatchObject({ enabled: false, disabledBecause: "It was gone." });
    const on = await api.put(`${webhooks}/billing`, { url: receiver.url });
    expect(on.body).toMatchObject({ enabled: true });
    expect(on.body).not.toHaveProperty("disabledBecause");
    expect((await api.webhooks.get(tenantName, "billing"))!.value.failuresInRow).toBe(0);
  });

  it("keeps both of two changes at the same time", async () => {
    await register();
    const url = `${receiver.url}/2`;
    const [put, rotated] = await Promise.all([
      api.put(`${webhooks}/billing`, { url, enabled: false }),
      api.post(`${webhooks}/billing/rotate-secret`),
    ]);
    expect([put.status, rotated.status]).toEqual([200, 200]);
    const { value } = (await api.webhooks.get(tenantName, "billing"))!;
    expect(value).toMatchObject({ url, enabled: false });
    expect(value.secrets).toHaveLength(2);
  });

  it("goes with its tenant", async () => {
    await api.put(`/v1/tenants/${tenantName}`);
    await register();
    await api.delete(`/v1/tenants/${tenantName}`);
    expect((await api.get(webhooks)).body.items).toEqual([]);
  });
});

describe("a rotated secret", () => {
  it("signs beside the one before, which the webhook says", async () => {
    const { secret: old } = await register();
    const rotated = bodyOf(await api.post(`${webhooks}/billing/rotate-secret`));
    const hours = (Date.parse(rotated.previousSecretUntil ?? "") - Date.now()) / 3_600_000;
    expect(hours).toBeCloseTo(24, 1);
    await api.post(`${webhooks}/billing/test`);
    const { headers, body } = receiver.received[0]!;
    for (const secret of [old, rotated.secret]) await verifyWebhook(headers, body, secret);
  });

  it("is not given when that would end an older one before its time", async () => {
    await register();
    for (let i = 0; i < 4; i++) expect((await api.post(`${webhooks}/billing/rotate-secret`)).status).toBe(200);
    const refused = await api.post(`${webhooks}/billing/rotate-secret`);
    expect(refused).toMatchObject({ status: 409, body: { error: { code: "TooManySecrets" } } });
  });
});

describe("a test", () => {
  it("a test sends a signed ping and returns the answer", async () => {
    const { secret } = await register();
    receiver.answer = (response) => response.writeHead(202).end("got it");
    const result = bodyOf(await api.post(`${webhooks}/billing/test`));
    expect(result).toMatchObject({ delivered: true, answerCode: 202, answer: "got it" });
    const { headers, body } = receiver.received[0]!;
    const { id, message } = await verifyWebhook(headers, body, secret);
    expect(id).toBe(result.messageId);
    expect(message).toMatchObject({ version: 1, eventType: "ping", tenantName, webhookName: "billing" });
  });

  it("a test without an answer returns the error, and is not listed as a delivery", async () => {
    await register("billing", { enabled: false });
    receiver.answer = (response) => response.destroy();
    const result = bodyOf(await api.post(`${webhooks}/billing/test`));
    expect(result).toMatchObject({ delivered: false });
    expect(result.error).toBeTruthy();
    expect((await api.get(`${webhooks}/billing/deliveries`)).body.items).toEqual([]);
  });

  it("is made once at a time", async () => {
    await register();
    const asked = Promise.withResolvers<undefined>();
    const answer = Promise.withResolvers<undefined>();
    receiver.answer = (response) => {
      asked.resolve(undefined);
      void answer.promise.then(() => response.writeHead(204).end());
    };
    const first = api.post(`${webhooks}/billing/test`);
    await asked.promise;
    expect(await api.post(`${webhooks}/billing/test`)).toMatchObject({
      status: 429,
      body: { error: { code: "TooManyRequests" } },
    });
    answer.resolve(undefined);
    expect((await first).status).toBe(200);
    expect((await api.post(`${webhooks}/billing/test`)).status).toBe(200);
  });
});

describe("deliveries", () => {
  it("deliveries show their outcome, and never the body or the secret", async () => {
    await register();
    const { value: webhook } = (await api.webhooks.get(tenantName, "billing"))!;
    const triedAt = new Date("2026-03-01T09:00:00Z");
    const answered = { tries: 2, triedAt, answerCode: 500, answer: "no", error: "The receiver answered 500." };
    await api.deliveries.add(deliveryOf(webhook, { ...answered, nextTryAt: NEVER }));
    await api.deliveries.end(
      deliveryOf(webhook, { state: "delivered", nextTryAt: undefined, tries: 1, answerCode: 200 }),
    );
    const { body } = await api.get(`${webhooks}/billing/deliveries`);
    expect(body.items).toMatchObject([
      { state: "waiting", ...answered, triedAt: triedAt.toISOString(), nextTryAt: NEVER.toISOString() },
      { state: "delivered", tries: 1, answerCode: 200 },
    ]);
    expect(body.items[0]).not.toHaveProperty("body");
  });
});
