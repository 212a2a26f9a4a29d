/** Delivery of completions: once normally, repeatedly for a day when the receiver fails. */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { CLAIM_MS } from "../../../runtime/api/webhooks/deliver.ts";
import { newSecret } from "../../../runtime/api/webhooks/post.ts";
import { verifyWebhook, type WebhookBatchCompleted } from "../../../runtime/client/index.ts";
import { batchCompletedEvent } from "../../../runtime/core/job/events.ts";
import {
  UNANNOUNCED_MAX_COUNT,
  WEBHOOK_AT_ONCE,
  WEBHOOK_DELIVERIES_KEPT,
  WEBHOOK_FAILURES_MAX_COUNT,
  WEBHOOK_MAX_TRIES,
  WEBHOOK_SECRET_OVERLAP_MS,
  WEBHOOK_TENANT_AT_ONCE,
  WEBHOOK_WAITING_MAX_COUNT,
} from "../../../runtime/core/limits.ts";
import { createLogger } from "../../../runtime/main/logger.ts";
import { completedChanges } from "../../../runtime/core/job/completion.ts";
import { NO_COUNTS } from "../../../runtime/core/job/states.ts";
import { rotatedSecrets } from "../../../runtime/core/job/webhook.ts";
import { batchOf, deliveryOf } from "../../support/builders.ts";
import { createRecordedMetrics } from "../../support/recorded-metrics.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { postHere, startWebhookLab, type WebhookLab } from "../../support/webhooks/webhook-lab.ts";
import { startReceiver, type WebhookReceiver } from "../../support/webhooks/webhook-receiver.ts";

let lab: WebhookLab;
let receiver: WebhookReceiver;
let tenantName: string;
beforeAll(async () => {
  lab = await startWebhookLab("webhookdelivery");
});
beforeEach(async () => {
  receiver = await startReceiver();
  tenantName = freshTenant();
});
afterEach(async () => {
  await receiver[Symbol.asyncDispose]();
});

const register = (fields = {}) => lab.webhook({ tenantName, url: receiver.url, ...fields });

describe("a completed batch", () => {
  it("a completion is sent to every webhook of its tenant, signed, with the event and the counts", async () => {
    const secrets = [newSecret(), newSecret()];
    const webhooks = await Promise.all(
      secrets.map((value, i) =>
        register({ webhookName: `w${i}`, secrets: [{ value, validUntil: undefined }], url: `${receiver.url}/${i}` }),
      ),
    );
    const batch = await lab.completedBatch(tenantName);
    const { metrics, sum } = createRecordedMetrics();
    await lab.instance({ metrics }).run(batch.batchId);
    expect(await sum("jobyard.webhook.deliveries", { tenant: tenantName, outcome: "delivered" })).toBe(2);
    expect(receiver.received.map(({ path }) => path).toSorted()).toEqual(["/hook/0", "/hook/1"]);
    const ids = new Set<string>();
    for (const { headers, body, path } of receiver.received) {
      const secret = secrets[Number(path.at(-1))]!;
      const { id, message } = await verifyWebhook(headers, body, secret, { now: lab.clock });
      const { event } = batchCompletedEvent(batch, batch.completedAt!);
      const counts = { ...NO_COUNTS, succeeded: 2, failed: 1, total: 3 };
      expect(message).toEqual({ ...event, counts });
      ids.add(id);
    }
    expect(ids.size).toBe(1);
    for (const webhook of webhooks) {
      expect(await lab.deliveriesOf(webhook)).toMatchObject([
        { state: "delivered", tries: 1, answerCode: 204, batchId: batch.batchId, generation: 1, nextTryAt: undefined },
      ]);
    }
    expect((await lab.batchOf(batch.batchId)).unannounced).toEqual([]);
  });

  it("a completion is not sent to other tenants, and not at all without webhooks", async () => {
    const other = await lab.webhook({ tenantName: freshTenant(), url: receiver.url });
    const batch = await lab.completedBatch(tenantName);
    await lab.instance().run(batch.batchId);
    expect(receiver.received).toEqual([]);
    expect(await lab.deliveriesOf(other)).toEqual([]);
    expect((await lab.batchOf(batch.batchId)).unannounced).toEqual([]);
  });

  it("a completion is sent once for each generation, also when both wait", async () => {
    const webhook = await register();
    const { batchId } = await lab.completedBatch(tenantName);
    const { value, etag } = (await lab.batches.get(batchId))!;
    const reopened = { generation: 2, completedAt: undefined };
    await lab.batches.update(batchId, etag, {
      ...reopened,
      ...completedChanges({ ...value, generation: 2 }, { ...NO_COUNTS, succeeded: 3 }, lab.clock),
    });
    await lab.instance().run(batchId);
    const messages = receiver.received.map(({ body }) => JSON.parse(body) as WebhookBatchCompleted);
    expect(messages.map(({ generation, counts }) => [generation, counts.failed]).toSorted()).toEqual([
      [1, 1],
      [2, 0],
    ]);
    expect(new Set(receiver.received.map(({ headers }) => headers["webhook-id"])).size).toBe(2);
    expect(await lab.deliveriesOf(webhook)).toHaveLength(2);
  });

  it("keeps the latest of many unannounced completions", () => {
    let unannounced = batchOf().unannounced;
    for (let generation = 1; generation <= UNANNOUNCED_MAX_COUNT + 5; generation++) {
      unannounced = completedChanges({ ...batchOf(), generation, unannounced }, NO_COUNTS, lab.clock).unannounced;
    }
    expect(unannounced).toHaveLength(UNANNOUNCED_MAX_COUNT);
    expect(unannounced.at(-1)?.generation).toBe(UNANNOUNCED_MAX_COUNT + 5);
    // All of them fit into the row.
    expect(JSON.stringify(unannounced).length).toBeLessThan(32_000);
  });
});

describe("a receiver that fails", () => {
  it("is tried eight times with growing delays, with the same message under a new signature", async () => {
    const { metrics, sum } = createRecordedMetrics();
    const webhook = await register();
    receiver.answer = (response) => response.writeHead(500).end("no luck");
    const batch = await lab.completedBatch(tenantName);
    const instance = lab.instance({ metrics });
    const begin = lab.clock.getTime();
    await instance.run(batch.batchId);
    const seconds: number[] = [];
    for (let tries = 1; tries < WEBHOOK_MAX_TRIES; tries++) {
      const [delivery] = await lab.deliveriesOf(webhook);
      expect(delivery).toMatchObject({ state: "waiting", tries, answerCode: 500, answer: "no luck" });
      const dueAt = delivery!.nextTryAt!;
      seconds.push(Math.round((dueAt.getTime() - begin) / 1_000));
      lab.clock = new Date(dueAt.getTime() - 1);
      await instance.run();
      expect(receiver.received).toHaveLength(tries);
      lab.clock = dueAt;
      await instance.run();
      expect(receiver.received).toHaveLength(tries + 1);
    }
    expect(seconds).toEqual([30, 135, 503, 1_789, 6_291, 22_047, 77_195]);
    expect(await lab.deliveriesOf(webhook)).toMatchObject([
      {
        state: "failed",
        tries: WEBHOOK_MAX_TRIES,
        answerCode: 500,
        error: "The receiver answered 500.",
        nextTryAt: undefined,
      },
    ]);
    const { received } = receiver;
    expect(new Set(received.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    expect(new Set(received.map(({ body }) => body)).size).toBe(1);
    expect(new Set(received.map(({ headers }) => headers["webhook-signature"])).size).toBe(WEBHOOK_MAX_TRIES);
    lab.pass(7 * 86_400_000);
    await instance.run(batch.batchId);
    expect(receiver.received).toHaveLength(WEBHOOK_MAX_TRIES);
    const tries = (outcome: string) => sum("jobyard.webhook.deliveries", { tenant: tenantName, outcome });
    expect([await tries("failed"), await tries("given-up")]).toEqual([WEBHOOK_MAX_TRIES - 1, 1]);
    expect((await lab.webhooks.get(tenantName, webhook.webhookName))!.value).toMatchObject({
      enabled: true,
      failuresInRow: 1,
    });
  });

  it("is named in the log by tenant, webhook, batch and message, without its address, answer and secrets", async () => {
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    const log = createLogger({ level: "debug", service: "api", version: "v", instance: "i", destination });
    const secret = newSecret();
    const secrets = [{ value: secret, validUntil: undefined }];
    await register({ webhookName: "named", secrets, url: `${receiver.url}/marked-path?t=marked-query` });
    receiver.answer = (response) => response.writeHead(500).end("marked-answer");
    const batch = await lab.completedBatch(tenantName);
    await lab.instance({ log }).run(batch.batchId);
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { tenantName, webhookName: "named", batchId: batch.batchId, tries: 1, state: "waiting", status: 500 },
    ]);
    expect(lines.join()).not.toMatch(/marked/);
    expect(lines.join()).not.toContain(secret);
  });

  it("has its failures reset by the next delivered message", async () => {
    const webhook = await register({ failuresInRow: 4 });
    const batch = await lab.completedBatch(tenantName);
    await lab.instance().run(batch.batchId);
    expect((await lab.webhooks.get(tenantName, webhook.webhookName))!.value.failuresInRow).toBe(0);
  });

  it("a webhook that answers 410 is disabled, and its waiting deliveries fail", async () => {
    const webhook = await register();
    const { value: current } = (await lab.webhooks.get(tenantName, webhook.webhookName))!;
    const later = deliveryOf(current, { nextTryAt: new Date(lab.clock.getTime() + 60_000) });
    await lab.deliveries.add(later);
    receiver.answer = 410;
    const batch = await lab.completedBatch(tenantName);
    const instance = lab.instance();
    await instance.run(batch.batchId);
    expect((await lab.webhooks.get(tenantName, webhook.webhookName))!.value).toMatchObject({
      enabled: false,
      disabledBecause: "The receiver answered 410: it wants no more.",
    });
    lab.pass(60_000);
    await instance.run((await lab.completedBatch(tenantName)).batchId);
    expect(receiver.received).toHaveLength(1);
    const states = (await lab.deliveriesOf(webhook)).map(({ state, error }) => `${state}: ${error}`);
    expect(states.toSorted()).toEqual(["failed: The receiver answered 410.", "failed: The webhook is disabled."]);
  });

  it("a message that was given up is sent again on request, under the same id and with all its tries", async () => {
    const webhook = await register();
    receiver.answer = 503;
    await lab.deliveries.add(deliveryOf(webhook, { tries: WEBHOOK_MAX_TRIES - 1 }));
    await lab.instance().run();
    const [failed] = await lab.deliveriesOf(webhook);
    expect(failed).toMatchObject({ state: "failed", tries: WEBHOOK_MAX_TRIES });
    const again = await lab.deliveries.again(webhook, failed!.messageId, lab.clock);
    expect(again).toMatchObject({ state: "waiting", tries: 0, messageId: failed!.messageId });
    expect(await lab.deliveriesOf(webhook)).toHaveLength(1);
    receiver.answer = 200;
    await lab.instance().run();
    expect(await lab.deliveriesOf(webhook)).toMatchObject([
      { state: "delivered", messageId: failed!.messageId, tries: 1 },
    ]);
    expect(await lab.deliveries.again(webhook, "msg_0", lab.clock)).toBeUndefined();
  });

  it("a webhook without answers for days is disabled", async () => {
    const webhook = await register({ failuresInRow: WEBHOOK_FAILURES_MAX_COUNT - 1 });
    receiver.answer = 503;
    await lab.deliveries.add(deliveryOf(webhook, { tries: WEBHOOK_MAX_TRIES - 1 }));
    await lab.instance().run();
    expect((await lab.webhooks.get(tenantName, webhook.webhookName))!.value).toMatchObject({
      enabled: false,
      disabledBecause: "10 deliveries in a row were given up.",
    });
  });
});

describe("a webhook", () => {
  it("that is deleted receives nothing more, nor does a new one with its name", async () => {
    const webhook = await register();
    const batch = await lab.completedBatch(tenantName);
    const instance = lab.instance();
    await instance.announce(batch.batchId);
    // The state after an interrupted deletion: only the row is gone.
    await lab.storage.table("webhooks").retrying.deleteEntity(tenantName, webhook.webhookName);
    const namesake = await register();
    await instance.run();
    expect(receiver.received).toEqual([]);
    expect(await lab.deliveriesOf(webhook)).toEqual([]);
    expect(await lab.deliveriesOf(namesake)).toEqual([]);
  });

  it("loses all its deliveries when it is deleted, and no other's", async () => {
    const [webhook, other] = [await register(), await register({ webhookName: "other" })];
    for (const one of [webhook, other]) {
      await lab.deliveries.add(deliveryOf(one));
      await lab.deliveries.end(deliveryOf(one, { state: "failed" }));
    }
    expect(await lab.webhooks.remove(tenantName, webhook.webhookName)).toBe(true);
    expect(await lab.deliveriesOf(webhook)).toEqual([]);
    expect(await lab.deliveriesOf(other)).toHaveLength(2);
    expect(await lab.webhooks.remove(tenantName, webhook.webhookName)).toBe(false);
    await lab.webhooks.remove(tenantName, "other");
  });

  it("signs with both secrets after a rotation, for a day", async () => {
    const [old, next] = [newSecret(), newSecret()];
    const webhook = await register({ secrets: [{ value: old, validUntil: undefined }] });
    const { value, etag } = (await lab.webhooks.get(tenantName, webhook.webhookName))!;
    await lab.webhooks.replace({ ...value, secrets: rotatedSecrets(value, next, lab.clock) }, etag);
    const instance = lab.instance();
    await instance.run((await lab.completedBatch(tenantName)).batchId);
    const [first] = receiver.received;
    for (const secret of [old, next]) await verifyWebhook(first!.headers, first!.body, secret, { now: lab.clock });
    lab.pass(WEBHOOK_SECRET_OVERLAP_MS);
    await instance.run((await lab.completedBatch(tenantName)).batchId);
    const second = receiver.received[1]!;
    await verifyWebhook(second.headers, second.body, next, { now: lab.clock });
    await expect(verifyWebhook(second.headers, second.body, old, { now: lab.clock })).rejects.toMatchObject({
      code: "SignatureWrong",
    });
  });

  it("with too many waiting messages gives up new ones at once, and lists them", async () => {
    const webhook = await register();
    const full = { ...lab.deliveries, waitingCount: () => Promise.resolve(WEBHOOK_WAITING_MAX_COUNT) };
    const batch = await lab.completedBatch(tenantName);
    await lab.instance({ stores: { ...lab, deliveries: full } }).run(batch.batchId);
    expect(receiver.received).toEqual([]);
    expect(await lab.deliveriesOf(webhook)).toMatchObject([
      { state: "failed", tries: 0, error: "1000 deliveries already wait for this webhook." },
    ]);
  });

  it("lists waiting messages, then the latest ended ones, in pages", async () => {
    const webhook = await register();
    const ended = Array.from({ length: WEBHOOK_DELIVERIES_KEPT + 3 }, (_, i) =>
      deliveryOf(webhook, { key: `k${String(i).padStart(4, "0")}`, state: "delivered", nextTryAt: undefined }),
    );
    for (const one of ended.toReversed()) await lab.deliveries.end(one);
    const waiting = ["w1", "w2"].map((key) => deliveryOf(webhook, { key, nextTryAt: new Date("9999-01-01") }));
    for (const one of waiting) await lab.deliveries.add(one);
    // An ended message does not wait again.
    await lab.deliveries.add(deliveryOf(webhook, { key: "k0001" }));
    expect(await lab.deliveries.waitingCount(webhook, 10)).toBe(2);
    expect(await lab.deliveries.waitingCount(webhook, 1)).toBe(1);
    const keys: string[] = [];
    let continuationToken: string | undefined;
    do {
      const page = await lab.deliveries.list(webhook, { pageSize: 7, continuationToken });
      keys.push(...page.items.map(({ key }) => key));
      continuationToken = page.continuationToken;
    } while (continuationToken !== undefined);
    expect(keys).toEqual([
      ...waiting.map(({ key }) => key),
      ...ended.slice(0, WEBHOOK_DELIVERIES_KEPT).map(({ key }) => key),
    ]);
    const refused = { code: "InvalidRequest" };
    for (const token of [
      "x",
      Buffer.from("1:2:w1").toString("base64url"),
      Buffer.from("1:0:~").toString("base64url"),
    ]) {
      await expect(lab.deliveries.list(webhook, { pageSize: 7, continuationToken: token })).rejects.toMatchObject(
        refused,
      );
    }
    await lab.webhooks.remove(tenantName, webhook.webhookName);
  });
});

describe("a receiver that hangs", () => {
  it("a slow webhook uses its own slots and delays no other", async () => {
    const hanging = freshTenant();
    const release = Promise.withResolvers<undefined>();
    const open = new Map<string, number>();
    const most = new Map<string, number>();
    const post: typeof postHere = async (url, headers, body) => {
      if (!url.includes("/hang")) return postHere(url, headers, body);
      const count = (open.get(url) ?? 0) + 1;
      open.set(url, count);
      most.set(url, Math.max(most.get(url) ?? 0, count));
      await release.promise;
      open.set(url, (open.get(url) ?? 0) - 1);
      return { answerCode: 200 };
    };
    for (let i = 0; i < 4; i++) {
      const webhook = await lab.webhook({
        tenantName: hanging,
        webhookName: `h${i}`,
        url: `http://127.0.0.1/hang${i}`,
      });
      for (let n = 0; n < 20; n++) await lab.deliveries.add(deliveryOf(webhook));
    }
    // Before and after it in the order in which deliveries are found.
    const others = await Promise.all(
      ["0", "zz"].map((begin) =>
        lab.webhook({ tenantName: `${begin}${freshTenant()}`.slice(0, 15), url: receiver.url }),
      ),
    );
    for (const webhook of others) for (let n = 0; n < 5; n++) await lab.deliveries.add(deliveryOf(webhook));
    const { deliverer } = lab.instance({ post });
    const stop = new AbortController();
    const rounds = (async () => {
      while (!stop.signal.aborted && (await deliverer.round())) await deliverer.next();
      await deliverer.idle();
    })();
    await receiver.count(10);
    expect(deliverer.count).toBeLessThanOrEqual(WEBHOOK_TENANT_AT_ONCE + 2 * WEBHOOK_AT_ONCE);
    release.resolve(undefined);
    await rounds;
    expect([...most.values()].every((count) => count <= WEBHOOK_AT_ONCE)).toBe(true);
    expect(most.size).toBe(4);
    for (const webhook of others) {
      expect((await lab.deliveriesOf(webhook)).every(({ state }) => state === "delivered")).toBe(true);
    }
    for (let i = 0; i < 4; i++) {
      const { value } = (await lab.webhooks.get(hanging, `h${i}`))!;
      const states = (await lab.deliveriesOf(value)).map(({ state }) => state);
      expect(states).toEqual(Array.from({ length: 20 }, () => "delivered"));
    }
  });

  it("cannot exceed all slots together, and waiting deliveries come first afterwards", async () => {
    const sent: string[] = [];
    const release = Promise.withResolvers<undefined>();
    const post: typeof postHere = async (url) => {
      sent.push(url);
      await release.promise;
      return { answerCode: 200 };
    };
    const tenants = Array.from({ length: 40 }, (_, i) => `m${String(i).padStart(2, "0")}${freshTenant()}`.slice(0, 15));
    for (const name of tenants) {
      const webhook = await lab.webhook({ tenantName: name, url: `http://127.0.0.1/${name}` });
      for (let n = 0; n < 3; n++) await lab.deliveries.add(deliveryOf(webhook));
    }
    const { deliverer } = lab.instance({ post });
    expect(await deliverer.round()).toBe(true);
    expect(deliverer.count).toBe(64);
    expect(await deliverer.round()).toBe(true);
    expect(deliverer.count).toBe(64);
    release.resolve(undefined);
    await deliverer.idle();
    expect(await deliverer.round()).toBeTypeOf("boolean");
    await deliverer.idle();
    // Those after the 32 that had their turn, before these get another.
    const turnsOf = (index: number) => sent.flatMap((url, i) => (url.endsWith(`/${tenants[index]}`) ? [i] : []));
    expect(turnsOf(32)[0]).toBeLessThan(turnsOf(20)[2]!);
    while (await deliverer.round()) await deliverer.next();
    await deliverer.idle();
    expect(sent).toHaveLength(120);
  });
});

describe("a sender that crashes", () => {
  it("is replaced when its claim expires, and not before", async () => {
    const webhook = await register();
    const batch = await lab.completedBatch(tenantName);
    const never = new Promise<never>(() => undefined);
    const dying = lab.instance({ post: () => never });
    await dying.announce(batch.batchId);
    await dying.deliverer.round();
    await expect.poll(async () => (await lab.deliveriesOf(webhook))[0]?.tries).toBe(1);
    lab.pass(CLAIM_MS - 1);
    await lab.instance().run();
    expect(receiver.received).toEqual([]);
    lab.pass(1);
    await lab.instance().run();
    expect(receiver.received).toHaveLength(1);
    expect(await lab.deliveriesOf(webhook)).toMatchObject([{ state: "delivered", tries: 2 }]);
  });
});

describe("two instances at the same time", () => {
  it("send each message once", async () => {
    const webhook = await register();
    const batches = await Promise.all(Array.from({ length: 15 }, () => lab.completedBatch(tenantName)));
    const ids = batches.map(({ batchId }) => batchId);
    // In opposite orders, so that they meet in the middle.
    const [first, second] = [lab.instance(), lab.instance()];
    await Promise.all([first.run(...ids), second.run(...ids.toReversed())]);
    // Messages that one announced while the other had finished its rounds.
    await first.run();
    const told = receiver.received.map(({ body }) => (JSON.parse(body) as WebhookBatchCompleted).batchId);
    expect(told.toSorted()).toEqual(ids.toSorted());
    const states = (await lab.deliveriesOf(webhook)).map(({ state, tries }) => `${state} ${tries}`);
    expect(states).toEqual(ids.map(() => "delivered 1"));
  });
});
