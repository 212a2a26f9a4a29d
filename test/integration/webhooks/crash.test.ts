/** A process can crash at any call between the completion of a batch and the end of its delivery. Nothing gets lost. */
import { beforeAll, describe, expect, it } from "vitest";
import { CLAIM_MS } from "../../../runtime/api/webhooks/deliver.ts";
import { batchOf } from "../../support/builders.ts";
import { isDead, mortal, type Life } from "./mortal.ts";
import { NO_COUNTS } from "../../../runtime/core/job/states.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { completionOver, postHere, startWebhookLab, type WebhookLab } from "../../support/webhooks/webhook-lab.ts";
import { startReceiver } from "../../support/webhooks/webhook-receiver.ts";

let lab: WebhookLab;
beforeAll(async () => {
  lab = await startWebhookLab("webhookcrashes");
});

/** One process completes, announces and delivers, and crashes on the way. Another follows. Resolves to the calls made. */
async function dieOnce(life: Life) {
  await using receiver = await startReceiver();
  const tenantName = freshTenant();
  const webhook = await lab.webhook({ tenantName, url: receiver.url });
  const { batchId } = await lab.batches.create(batchOf({ tenantName, state: "closed" }));
  const stores = {
    batches: mortal(lab.batches, life),
    webhooks: mortal(lab.webhooks, life),
    deliveries: mortal(lab.deliveries, life, ["placeOf", "placeAfter"]),
  };
  const post: typeof postHere = mortal({ post: postHere }, life).post;
  const complete = (batches: typeof lab.batches) =>
    completionOver(batches, { ...NO_COUNTS, succeeded: 1 }, () => lab.clock).afterJobEnded(batchId);

  const dying = lab.instance({ stores, post });
  await complete(stores.batches)
    .then(() => dying.run(batchId))
    .catch((error: unknown) => {
      if (!isDead(life)) throw error;
    });

  // The same steps as at every end of a job and every round of the sweeper.
  await complete(lab.batches);
  lab.pass(CLAIM_MS);
  await lab.instance().run(batchId);
  expect(receiver.received.length, "messages").toBeGreaterThanOrEqual(1);
  expect(receiver.received.length, "messages").toBeLessThanOrEqual(2);
  expect(new Set(receiver.received.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
  expect(await lab.deliveriesOf(webhook)).toMatchObject([{ state: "delivered", batchId }]);
  expect((await lab.batchOf(batchId)).unannounced).toEqual([]);
  return { calls: life.calls, sent: receiver.received.length };
}

describe("a process that crashes", () => {
  it.each([
    ["before a call", true],
    ["after a call took effect", false],
  ])("%s, at any call, loses no message", async (_, diesBefore) => {
    let twice = 0;
    let diesAt = 0;
    for (;;) {
      const life = { calls: 0, diesAt: ++diesAt, diesBefore };
      const { sent } = await dieOnce(life);
      if (!isDead(life)) break;
      if (sent === 2) twice++;
    }
    // Completing reads and writes. Announcing, claiming, sending and ending need more calls.
    expect(diesAt).toBeGreaterThan(12);
    // Only a crash between the receiver's response and its record causes a second send.
    expect(twice).toBeLessThanOrEqual(diesBefore ? 1 : 2);
  });
});

describe("storage that fails", () => {
  it("keeps a completion on its batch's row until it is announced, and does not affect the batch's completion", async () => {
    await using receiver = await startReceiver();
    const tenantName = freshTenant();
    await lab.webhook({ tenantName, url: receiver.url });
    const away = { ...lab.webhooks, of: () => Promise.reject(new Error("The table does not answer.")) };
    const batch = await lab.completedBatch(tenantName);
    expect(batch).toMatchObject({ completedGeneration: 1, unannounced: [{ generation: 1 }] });
    await lab.instance({ stores: { ...lab, webhooks: away } }).run(batch.batchId);
    expect((await lab.batchOf(batch.batchId)).unannounced).toHaveLength(1);
    await lab.instance().run(batch.batchId);
    expect(receiver.received).toHaveLength(1);
  });

  it("a conflict while clearing the row leaves the other completion there", async () => {
    await using receiver = await startReceiver();
    const tenantName = freshTenant();
    await lab.webhook({ tenantName, url: receiver.url });
    const { batchId } = await lab.completedBatch(tenantName);
    let isFirst = true;
    const contended = {
      ...lab.batches,
      async update(...[id, etag, changes]: Parameters<typeof lab.batches.update>) {
        if (isFirst) {
          isFirst = false;
          const { value, etag: current } = (await lab.batches.get(id))!;
          const next = { ...value.unannounced[0]!, generation: 2 };
          await lab.batches.update(id, current, { generation: 2, unannounced: [...value.unannounced, next] });
        }
        return lab.batches.update(id, etag, changes);
      },
    };
    await lab.instance({ stores: { ...lab, batches: contended } }).run(batchId);
    expect((await lab.batchOf(batchId)).unannounced).toMatchObject([{ generation: 2 }]);
    await lab.instance().run(batchId);
    expect(receiver.received).toHaveLength(2);
  });
});
