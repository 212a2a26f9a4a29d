/** The contract of every store for rows that another release has written. */
import { describe, expect, it } from "vitest";
import { batchKeys } from "../../../runtime/azure/tables/batch-store.ts";
import type { Cells } from "../../../runtime/azure/tables/columns.ts";
import { jobKeys } from "../../../runtime/azure/tables/job-entity.ts";
import { keyKeys } from "../../../runtime/azure/tables/key-store.ts";
import { grantKeys } from "../../../runtime/azure/tables/tenant-store.ts";
import { timerKeys, timerRunKeys } from "../../../runtime/azure/tables/timer-store.ts";
import { waitingKeys, webhookKeys } from "../../../runtime/azure/tables/webhook-entity.ts";
import { workerKeys } from "../../../runtime/azure/tables/worker-store.ts";
import type { RowKeys } from "../../../runtime/azure/tables/rows.ts";
import { UnreadableError } from "../../../runtime/core/errors.ts";
import { batchIdOf, newTimerRun } from "../../../runtime/core/timer/timer.ts";
import { batchOf, deliveryOf, jobOf, timerOf, webhookOf, workerOf } from "../../support/builders.ts";
import { createAzureStores } from "../../support/stores/azure-stores.ts";
import { BACKINGS } from "../../support/stores/backings.ts";
import type { Stores, TableName } from "../../support/stores/memory-stores.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

/** Columns of a release that this one does not know. */
const LATER: Cells = { laterText: "kept", laterCount: 7 };

interface Place {
  readonly table: TableName;
  readonly keys: RowKeys;
}

/** Inserts a row, calls back while it has later columns, and expects `write` to have left them there. */
interface Kept {
  readonly insert: (stores: Stores, tenantName: string) => Promise<Place>;
  readonly write: (stores: Stores, tenantName: string) => Promise<unknown>;
}

const webhook = (tenantName: string) => webhookOf({ tenantName, webhookId: `of-${tenantName}` });
const timer = (tenantName: string) => timerOf({ tenantName });
const worker = (pool: string) => workerOf({ pool, claims: ["a", "b"] });
const grantedAt = new Date("2026-03-01T08:00:00Z");
const grant = (tenantName: string) => ({
  ...{ tenantName, principalId: "6f9619ff-8b86-4d01-b42d-00cf4fc964ff" },
  ...{ access: "read" as const, name: "ada", grantedAt, grantedBy: "tester" },
});
const must = <T>(found: T | undefined): T => {
  if (found === undefined) throw new Error("no such row");
  return found;
};

const KEPT: Readonly<Record<string, Kept>> = {
  "a timer": {
    async insert({ timers }, tenantName) {
      await timers.write(timer(tenantName), undefined);
      return { table: "timers", keys: must(timerKeys(timer(tenantName))) };
    },
    async write({ timers }, tenantName) {
      const { value, etag } = must(await timers.get(timer(tenantName)));
      return timers.write({ ...value, pausedAt: undefined, overlap: "queue" }, etag);
    },
  },
  "what a timer does": {
    async insert({ timers }, tenantName) {
      const batchId = batchIdOf(timer(tenantName));
      await timers.writeRun({ ...newTimerRun(batchId), waitingJobIds: ["one", "two"] }, undefined);
      return { table: "timers", keys: must(timerRunKeys(batchId)) };
    },
    async write({ timers }, tenantName) {
      const { value, etag } = must(await timers.run(batchIdOf(timer(tenantName))));
      return timers.writeRun({ ...value, waitingJobIds: [] }, etag);
    },
  },
  "a webhook": {
    async insert({ webhooks }, tenantName) {
      await webhooks.create(webhook(tenantName));
      return { table: "webhooks", keys: webhookKeys(tenantName, "billing") };
    },
    async write({ webhooks }, tenantName) {
      const { value, etag } = must(await webhooks.get(tenantName, "billing"));
      return webhooks.replace({ ...value, enabled: false, disabledBecause: "gone" }, etag);
    },
  },
  "a delivery": {
    async insert({ deliveries }, tenantName) {
      const delivery = deliveryOf(webhook(tenantName), { key: "0a" });
      await deliveries.add(delivery);
      return { table: "webhooks", keys: waitingKeys(delivery) };
    },
    async write({ deliveries }, tenantName) {
      const delivery = deliveryOf(webhook(tenantName), { key: "0a" });
      const due = await deliveries.due(`${tenantName}.`, new Date(), 1);
      return deliveries.change(delivery, must(due[0]).etag, { tries: 1 });
    },
  },
  "a worker": {
    async insert({ workers }, pool) {
      await workers.beat(worker(pool), undefined);
      return { table: "workers", keys: workerKeys(worker(pool)) };
    },
    async write({ workers }, pool) {
      // Refused, because the row has moved: that tells its version.
      const refused = await workers.beat(worker(pool), "W/\"datetime'2020-01-01T00%3A00%3A00.0000000Z'\"");
      const { etag } = must(refused.written ? undefined : refused.current);
      return workers.beat({ ...worker(pool), claims: [] }, etag);
    },
  },
  "a grant": {
    async insert({ tenants }, tenantName) {
      await tenants.putGrant(grant(tenantName));
      return { table: "tenants", keys: grantKeys(grant(tenantName)) };
    },
    write: ({ tenants }, tenantName) => tenants.putGrant({ ...grant(tenantName), access: "manage" }),
  },
  "a batch": {
    async insert({ batches }, tenantName) {
      const { batchId } = await batches.create(batchOf({ tenantName }));
      return { table: "batches", keys: batchKeys(batchId) };
    },
    async write({ batches }, tenantName) {
      const [batch] = (await batches.list(tenantName, { pageSize: 1 })).items;
      const { value, etag } = must(await batches.get(must(batch).batchId));
      return batches.update(value.batchId, etag, { state: "closed" });
    },
  },
  "a job": {
    async insert({ batches, jobs }, tenantName) {
      const batch = await batches.create(batchOf({ tenantName }));
      const job = jobOf({}, batch);
      await jobs.insert(job);
      return { table: "jobs", keys: jobKeys(job.jobId) };
    },
    async write({ batches, jobs }, tenantName) {
      const batch = must((await batches.list(tenantName, { pageSize: 1 })).items[0]);
      const [job] = (await jobs.list(batch, { pageSize: 1 })).items;
      const { jobId } = must(job);
      const { etag } = must(await jobs.get(jobId));
      return jobs.update({ jobId, etag, from: "queued", to: "canceled", changes: {} });
    },
  },
};

const DAY_MS = 24 * 60 * 60_000;

describe.each(BACKINGS)("over $name", ({ start }) => {
  const stores = start()();

  it.each(Object.entries(KEPT))("%s keeps columns of a later release through a write", async (_, { insert, write }) => {
    const tenantName = freshTenant();
    const { table, keys } = await insert(stores, tenantName);
    await stores.rows.merge(table, keys, LATER);
    const before = await stores.rows.get(table, keys);
    await write(stores, tenantName);
    const after = await stores.rows.get(table, keys);
    expect(after).toMatchObject(LATER);
    expect(after).not.toEqual(before);
  });

  it("JSON values keep fields of a later release through a write", async () => {
    const tenantName = freshTenant();
    await stores.webhooks.create(webhook(tenantName));
    const keys = webhookKeys(tenantName, "billing");
    await stores.rows.merge("webhooks", keys, { secrets: '[{"value":"whsec_eA==","laterField":"kept"}]' });
    const { value, etag } = must(await stores.webhooks.get(tenantName, "billing"));
    await stores.webhooks.replace({ ...value, enabled: false }, etag);
    const secrets = (await stores.rows.get("webhooks", keys))?.["secrets"];
    expect(JSON.parse(String(secrets))).toEqual([{ value: "whsec_eA==", laterField: "kept" }]);

    const { batchId } = await stores.batches.create(batchOf({ tenantName }));
    const end = { generation: 1, state: "closed", completedAt: "2026-03-01T08:00:00.000Z", laterField: "kept" };
    const counts = { queued: 0, running: 0, succeeded: 1, failed: 0, canceled: 0 };
    await stores.rows.merge("batches", batchKeys(batchId), { unannounced: JSON.stringify([{ ...end, counts }]) });
    const batch = must(await stores.batches.get(batchId));
    await stores.batches.update(batchId, batch.etag, { unannounced: batch.value.unannounced });
    const unannounced = (await stores.rows.get("batches", batchKeys(batchId)))?.["unannounced"];
    expect(JSON.parse(String(unannounced))).toEqual([{ ...end, counts }]);
  });

  it("a list that becomes shorter is read back exactly", async () => {
    const batchId = batchIdOf(timer(freshTenant()));
    const many = Array.from({ length: 2_000 }, (_, index) => `job-${index}-${"x".repeat(40)}`);
    for (const waitingJobIds of [many, ["one"], many.slice(0, 900), []]) {
      const stored = await stores.timers.run(batchId);
      await stores.timers.writeRun({ ...newTimerRun(batchId), waitingJobIds }, stored?.etag);
      expect((await stores.timers.run(batchId))?.value.waitingJobIds).toEqual(waitingJobIds);
    }
  });

  it("a reused key and a restarted worker keep no columns of the old row", async () => {
    const tenantName = freshTenant();
    const wish = {
      ...{ kind: "idempotency-key" as const, key: "k", requestHash: "h" },
      ...{ id: "old", createdAt: new Date() },
    };
    await stores.keys.reserve(tenantName, [wish], new Date(0));
    await stores.rows.merge("keys", keyKeys(tenantName, wish), LATER);
    const anew = { ...wish, id: "new", createdAt: new Date(Date.now() + 2 * DAY_MS) };
    await stores.keys.reserve(tenantName, [anew], new Date(Date.now() + DAY_MS));
    expect(await stores.rows.get("keys", keyKeys(tenantName, wish))).toMatchObject({ id: "new" });
    expect(await stores.rows.get("keys", keyKeys(tenantName, wish))).not.toHaveProperty("laterText");

    await stores.workers.beat(worker(tenantName), undefined);
    await stores.rows.merge("workers", workerKeys(worker(tenantName)), LATER);
    await stores.workers.beat({ ...worker(tenantName), bootId: "next" }, undefined);
    expect(await stores.rows.get("workers", workerKeys(worker(tenantName)))).not.toHaveProperty("laterText");
  });

  it("a row with a word of a later release is unreadable, and reading does not change it", async () => {
    const job = jobOf({}, batchOf({ tenantName: freshTenant() }));
    await stores.jobs.insert(job);
    await stores.rows.merge("jobs", jobKeys(job.jobId), { state: "paused" });
    const before = await stores.rows.get("jobs", jobKeys(job.jobId));
    const failed = await stores.jobs.get(job.jobId).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(UnreadableError);
    expect(failed).toMatchObject({ code: "FormatUnknown", format: "job", retryable: true });
    expect(await stores.rows.get("jobs", jobKeys(job.jobId))).toEqual(before);
  });

  it("a scan skips unreadable rows and reports them", async () => {
    const batch = await stores.batches.create(batchOf({ tenantName: freshTenant() }));
    const [strange, plain] = [jobOf({}, batch), jobOf({}, batch)];
    for (const job of [strange, plain]) await stores.jobs.insert(job);
    await stores.rows.merge("jobs", jobKeys(strange.jobId), { priority: "urgent" });
    const scanned = async (onUnreadable?: (key: string, error: unknown) => void): Promise<readonly string[]> => {
      const found: string[] = [];
      for await (const { value } of stores.jobs.scan(batch, "queued", onUnreadable)) found.push(value.jobId);
      return found;
    };
    const told: string[] = [];
    expect(await scanned((key) => void told.push(key))).toEqual([plain.jobId]);
    expect(told).toEqual([expect.stringContaining(strange.jobId)]);
    await expect(scanned()).rejects.toBeInstanceOf(UnreadableError);

    const other = await stores.batches.create(batchOf({ tenantName: batch.tenantName }));
    await stores.rows.merge("batches", batchKeys(other.batchId), { state: "frozen" });
    const active: string[] = [];
    const unread: string[] = [];
    try {
      for await (const { value } of stores.batches.active((key) => void unread.push(key))) active.push(value.batchId);
    } finally {
      // Other tests over these rows scan them too.
      await stores.rows.merge("batches", batchKeys(other.batchId), { state: "closed" });
    }
    expect(active).toContain(batch.batchId);
    expect(unread).toContainEqual(expect.stringContaining(other.batchId));

    // In a time that no other test over these rows looks at.
    const delivery = deliveryOf(webhook(freshTenant()), { key: "0b", nextTryAt: new Date("9999-06-01") });
    await stores.deliveries.add(delivery);
    await stores.rows.merge("webhooks", waitingKeys(delivery), { state: "postponed" });
    const undue: string[] = [];
    const due = await stores.deliveries.due(
      `${delivery.tenantName}.`,
      new Date("9999-06-02"),
      10,
      (key) => void undue.push(key),
    );
    expect(due.map(({ value }) => value.key)).not.toContain("0b");
    expect(undue).toContainEqual(expect.stringContaining(delivery.tenantName));
    await stores.deliveries.drop(delivery);
  });
});

describe("a writer's counter in Azurite", () => {
  it("a writer's counter keeps a later release's states, and a release that does not know them does not sum it", async () => {
    const { batches, jobs, rows } = createAzureStores("counter-writer");
    const batch = await batches.create(batchOf({ tenantName: freshTenant() }));
    const [first, second] = [jobOf({}, batch), jobOf({}, batch)];
    await jobs.insert(first);
    const { partitionKey } = jobKeys(first.jobId);
    const counter = { partitionKey, rowKey: "~counter-writer" };
    await rows.merge("jobs", counter, { paused: 0 });
    expect(await jobs.counts(batch)).toMatchObject({ queued: 1 });
    await rows.merge("jobs", counter, { paused: 4 });
    await jobs.insert(second);
    expect(await rows.get("jobs", counter)).toMatchObject({ queued: 2, paused: 4 });
    await expect(jobs.counts(batch)).rejects.toMatchObject({ code: "FormatUnknown", format: "counter" });
  });
});
