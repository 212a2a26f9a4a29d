/** The contract of core/ports/webhook-store.ts, for webhooks and their deliveries. */
import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { WEBHOOK_DELIVERIES_KEPT } from "../../../runtime/core/limits.ts";
import type { WebhookDelivery, Webhook } from "../../../runtime/core/job/webhook.ts";
import { deliveryOf, webhookOf } from "../../support/builders.ts";
import { BACKINGS } from "../../support/stores/backings.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const newWebhook = (fields: Partial<Webhook> = {}): Webhook => webhookOf({ tenantName: freshTenant(), ...fields });
/** Later ones come first, as keys of deliveries do. */
const keyAt = (age: number): string => `${String(age).padStart(4, "0")}${randomBytes(4).toString("hex")}`;
const SOON = new Date("2026-03-01T09:00:00.123Z");
const LATER = new Date("9999-01-01T00:00:00Z");
const keysOf = (deliveries: readonly WebhookDelivery[]): readonly string[] => deliveries.map(({ key }) => key);

describe.each(BACKINGS)("over $name", ({ start }) => {
  const { webhooks, deliveries } = start()();

  async function created(fields: Partial<Webhook> = {}): Promise<Webhook> {
    const webhook = newWebhook(fields);
    expect(await webhooks.create(webhook)).toBe(true);
    return webhook;
  }
  async function added(webhook: Webhook, fields: Partial<WebhookDelivery> = {}): Promise<WebhookDelivery> {
    const delivery = deliveryOf(webhook, { nextTryAt: LATER, ...fields });
    await deliveries.add(delivery);
    return delivery;
  }
  const all = async (webhook: Webhook, pageSize = 1_000): Promise<readonly WebhookDelivery[]> => {
    const found: WebhookDelivery[] = [];
    let continuationToken: string | undefined;
    do {
      const page = await deliveries.list(webhook, { pageSize, continuationToken });
      expect(page.items.length).toBeLessThanOrEqual(pageSize);
      found.push(...page.items);
      ({ continuationToken } = page);
    } while (continuationToken !== undefined);
    return found;
  };
  /** All of the tenant's that are to be tried by then. */
  const dueOf = async ({ tenantName }: Webhook, now: Date, maxCount = 1_000) => {
    // Other tests' deliveries lie in the same order: begin right before this tenant's.
    const after = `${tenantName}.`;
    const found = await deliveries.due(after, now, maxCount);
    return found.filter(({ value }) => value.tenantName === tenantName);
  };

  describe("a webhook", () => {
    it("a webhook is created once and read as it was created", async () => {
      const validUntil = new Date("2030-01-02T03:04:05.678Z");
      const secrets = [
        { value: "whsec_b", validUntil: undefined },
        { value: "whsec_a", validUntil },
      ];
      const webhook = await created({ secrets, enabled: false, disabledBecause: "It said 'ü'.", failuresInRow: 3 });
      const { tenantName, webhookName } = webhook;
      const stored = await webhooks.get(tenantName, webhookName);
      expect(stored?.value).toEqual(webhook);
      expect(await webhooks.create(newWebhook({ tenantName, webhookName }))).toBe(false);
      expect(await webhooks.get(tenantName, webhookName)).toEqual(stored);
      expect(await webhooks.get(freshTenant(), webhookName)).toBeUndefined();
      expect(await webhooks.get(tenantName, "other")).toBeUndefined();
    });

    it("a webhook is replaced only with its current version, and undefined fields are cleared", async () => {
      const webhook = await created({ disabledBecause: "no" });
      const { tenantName, webhookName } = webhook;
      const { etag } = (await webhooks.get(tenantName, webhookName))!;
      const changed = { ...webhook, url: "https://other.example.com/", disabledBecause: undefined };
      expect(await webhooks.replace(changed, etag)).toBe(true);
      expect(await webhooks.replace({ ...changed, url: "https://late.example.com/" }, etag)).toBe(false);
      expect((await webhooks.get(tenantName, webhookName))?.value).toEqual(changed);
      expect(await webhooks.replace(newWebhook(), etag)).toBe(false);
    });

    it("a webhook is removed once, with its own deliveries only", async () => {
      const gone = await created();
      const kept = await created({ tenantName: gone.tenantName, webhookName: "kept" });
      for (const webhook of [gone, kept]) {
        await added(webhook);
        await deliveries.end(deliveryOf(webhook, { state: "delivered", nextTryAt: undefined }));
      }
      expect(await webhooks.remove(gone.tenantName, gone.webhookName)).toBe(true);
      expect(await webhooks.remove(gone.tenantName, gone.webhookName)).toBe(false);
      expect(await all(gone)).toEqual([]);
      expect(await all(kept)).toHaveLength(2);
      expect(await webhooks.of(gone.tenantName)).toEqual([kept]);
    });

    it("the webhooks of a tenant are listed by name in pages", async () => {
      const tenantName = freshTenant();
      const named = [];
      for (const webhookName of ["b", "a-b", "a", "c"]) named.push(await created({ tenantName, webhookName }));
      await created({ webhookName: "a" });
      const byName = named.toSorted((a, b) => (a.webhookName < b.webhookName ? -1 : 1));
      expect(await webhooks.of(tenantName)).toEqual(byName);
      const first = await webhooks.list(tenantName, { pageSize: 3 });
      // Gone meanwhile: the next page starts behind it all the same.
      await webhooks.remove(tenantName, first.items[2]!.webhookName);
      const { continuationToken } = first;
      const second = await webhooks.list(tenantName, { pageSize: 3, continuationToken });
      expect([...first.items, ...second.items]).toEqual(byName);
      expect(second.continuationToken).toBeUndefined();
      expect(await webhooks.list(freshTenant(), { pageSize: 3 })).toEqual({ items: [], continuationToken: undefined });
    });

    it("the list of webhooks refuses foreign tokens", async () => {
      for (const continuationToken of ["", "x", ...["1:0:../a", "1:1:a", "1:0:A b"].map((text) => btoa(text))]) {
        const listing = webhooks.list(freshTenant(), { pageSize: 1, continuationToken });
        await expect(listing).rejects.toMatchObject({ code: "InvalidRequest" });
      }
    });
  });

  describe("a delivery", () => {
    it("deliveries become due at their time, in the order of their places", async () => {
      const webhook = newWebhook();
      const fields = { nextTryAt: SOON, answerCode: 500, error: "ü", body: '{"a":"\u2028"}' };
      const [second, first] = [
        await added(webhook, { key: keyAt(2), ...fields }),
        await added(webhook, { key: keyAt(1), nextTryAt: SOON }),
      ];
      await added(webhook);
      expect(await dueOf(webhook, new Date(SOON.getTime() - 1))).toEqual([]);
      const due = await dueOf(webhook, SOON);
      expect(due.map(({ value }) => value)).toEqual([first, second]);
      expect(deliveries.placeOf(first) < deliveries.placeOf(second)).toBe(true);
      const fromFirst = await deliveries.due(deliveries.placeOf(first), SOON, 1);
      expect(fromFirst).toEqual([due[1]]);
      expect(await deliveries.due(`${webhook.tenantName}.`, SOON, 1)).toEqual([due[0]]);
    });

    it("the places of a webhook's deliveries are together, and so are those of a tenant", () => {
      const tenantName = freshTenant();
      const [one, two] = [newWebhook({ tenantName, webhookId: "aa" }), newWebhook({ tenantName, webhookId: "ab" })];
      const of = (webhook: Webhook, key: string) => deliveries.placeOf(deliveryOf(webhook, { key }));
      expect(of(one, "z") < deliveries.placeAfter(tenantName, "aa")).toBe(true);
      expect(deliveries.placeAfter(tenantName, "aa") < of(two, "0")).toBe(true);
      expect(of(two, "z") < deliveries.placeAfter(tenantName)).toBe(true);
      const longer = newWebhook({ tenantName: `${tenantName}x` });
      expect(deliveries.placeAfter(tenantName) < of(longer, "0")).toBe(true);
    });

    it("a delivery is added unless it waits or has ended already", async () => {
      const webhook = newWebhook();
      const waits = await added(webhook, { key: keyAt(1) });
      await deliveries.add({ ...waits, body: "other" });
      const ended = deliveryOf(webhook, { key: keyAt(2), state: "delivered", nextTryAt: undefined });
      await deliveries.end(ended);
      await deliveries.add({ ...ended, state: "waiting" });
      expect(await all(webhook)).toEqual([waits, ended]);
      expect(await deliveries.waitingCount(webhook, 10)).toBe(1);
    });

    it("a delivery is changed only with its current version; undefined fields are cleared, absent ones stay", async () => {
      const webhook = newWebhook();
      const delivery = await added(webhook, { nextTryAt: SOON, answer: "no", error: "busy" });
      const [{ etag } = { etag: "" }] = await dueOf(webhook, SOON);
      const next = await deliveries.change(delivery, etag, { tries: 1, answer: undefined, nextTryAt: LATER });
      expect(next).toBeDefined();
      expect(await deliveries.change(delivery, etag, { tries: 9 })).toBeUndefined();
      const again = await deliveries.change(delivery, next!, { triedAt: SOON, answerCode: 503 });
      expect(again).toBeDefined();
      expect(again).not.toBe(next);
      const changed = { ...delivery, tries: 1, answer: undefined, nextTryAt: LATER, triedAt: SOON, answerCode: 503 };
      expect(await all(webhook)).toEqual([changed]);
      await deliveries.drop(delivery);
      expect(await deliveries.change(delivery, again!, { tries: 2 })).toBeUndefined();
      expect(await all(webhook)).toEqual([]);
    });

    it("an empty answer of a delivery is read as absent", async () => {
      const webhook = newWebhook();
      const delivery = deliveryOf(webhook, { state: "delivered", nextTryAt: undefined, answerCode: 204, answer: "" });
      await deliveries.end(delivery);
      expect(await all(webhook)).toEqual([{ ...delivery, answer: undefined }]);
    });

    it("an ended delivery no longer waits, and can be ended again", async () => {
      const webhook = newWebhook();
      const delivery = await added(webhook);
      const ended = { ...delivery, state: "failed", nextTryAt: undefined, tries: 8, error: "No." } as const;
      await deliveries.end(ended);
      await deliveries.end({ ...ended, tries: 9 });
      expect(await all(webhook)).toEqual([{ ...ended, tries: 9 }]);
      expect(await dueOf(webhook, LATER)).toEqual([]);
      await deliveries.drop(delivery);
      expect(await all(webhook)).toHaveLength(1);
    });
  });

  describe("the list of a webhook's deliveries", () => {
    it("the list of deliveries has waiting ones, then ended ones, each newest first, for any page size", async () => {
      const webhook = newWebhook();
      const neighbour = newWebhook({ tenantName: webhook.tenantName });
      const waiting = [];
      const ended = [];
      for (const age of [3, 1, 2]) waiting.push(await added(webhook, { key: keyAt(age) }));
      for (const age of [6, 4, 5]) {
        const delivery = deliveryOf(webhook, { key: keyAt(age), state: "delivered", nextTryAt: undefined });
        await deliveries.end(delivery);
        ended.push(delivery);
      }
      await added(neighbour);
      const expected = [...keysOf(waiting).toSorted(), ...keysOf(ended).toSorted()];
      for (const pageSize of [1, 2, 3, 6, 100]) expect(keysOf(await all(webhook, pageSize))).toEqual(expected);
      expect(await deliveries.waitingCount(webhook, 10)).toBe(3);
      expect(await deliveries.waitingCount(webhook, 2)).toBe(2);
      expect(await deliveries.waitingCount(newWebhook(), 2)).toBe(0);
    });

    it("only the latest ended deliveries are kept", async () => {
      const webhook = newWebhook();
      const ended = Array.from({ length: WEBHOOK_DELIVERIES_KEPT + 3 }, (_, age) =>
        deliveryOf(webhook, { key: keyAt(age), state: "delivered", nextTryAt: undefined }),
      );
      for (const delivery of ended.toReversed()) await deliveries.end(delivery);
      expect(keysOf(await all(webhook, 40))).toEqual(keysOf(ended.slice(0, WEBHOOK_DELIVERIES_KEPT)));
    });

    it("the list of deliveries refuses foreign tokens", async () => {
      for (const continuationToken of ["", "x", ...["1:0:../a", "1:2:a", "1:0:A"].map((text) => btoa(text))]) {
        const listing = deliveries.list(newWebhook(), { pageSize: 1, continuationToken });
        await expect(listing).rejects.toMatchObject({ code: "InvalidRequest" });
      }
    });
  });
});
