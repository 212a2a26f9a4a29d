import { describe, expect, it } from "vitest";
import { createJobStore } from "../../../runtime/azure/index.ts";
import { createPartitionWriters } from "../../../runtime/azure/tables/partition-writer.ts";
import { InvariantError, UnavailableError } from "../../../runtime/core/errors.ts";
import { partitionOf } from "../../../runtime/core/job/ids.ts";
import type { Batch, Job } from "../../../runtime/core/job/job.ts";
import type { JobStore, WriteResult } from "../../../runtime/core/ports/job-store.ts";
import { countChange, NO_COUNTS } from "../../../runtime/core/job/states.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { type Fate, isTransaction, startStorageProxy, type StorageProxy } from "../../support/stores/storage-proxy.ts";
import { freshTenant, testStorage } from "../../support/stores/test-storage.ts";

const newBatch = (fields: Partial<Batch> = {}): Batch => batchOf({ tenantName: freshTenant(), ...fields });

const storeOver = (network: StorageProxy, writerId = "writer-1"): JobStore =>
  createJobStore({ storage: testStorage(network.connectionString), writerId });

/** The transactions meet these fates, one after the other, and pass afterwards. */
function decideTransactions(network: StorageProxy, fates: readonly Fate[]): void {
  const left = [...fates];
  network.decide = (request) => (isTransaction(request) ? (left.shift() ?? "pass") : "pass");
}

const insertAll = (store: JobStore, jobs: readonly Job[]): Promise<readonly WriteResult[]> =>
  Promise.all(jobs.map((job) => store.insert(job)));

const cancel = (store: JobStore, job: Job, etag: string): Promise<WriteResult> =>
  store.update({ jobId: job.jobId, etag, from: "queued", to: "canceled", changes: {} });

const etagOf = (result: WriteResult | undefined): string => (result?.written === true ? result.etag : "not written");

describe("writes that wait at the same moment", () => {
  it("leave in as few transactions as the service allows, without a read", async () => {
    await using network = await startStorageProxy();
    const batch = newBatch();
    const jobs = Array.from({ length: 250 }, () => jobOf({}, batch));
    const results = await insertAll(storeOver(network), jobs);
    expect(results.every(({ written }) => written)).toBe(true);
    expect(network.requests.map(isTransaction)).toEqual([true, true, true]);
    expect(await storeOver(network).counts(batch)).toEqual({ ...NO_COUNTS, queued: 250 });
  });

  it("are split where one transaction would be too large", async () => {
    await using network = await startStorageProxy();
    const batch = newBatch();
    const output = JSON.stringify("ü".repeat(15_000));
    const jobs = Array.from({ length: 150 }, () => jobOf({ parameters: output, output }, batch));
    const results = await insertAll(storeOver(network), jobs);
    expect(results.every(({ written }) => written)).toBe(true);
    expect(network.requests).toHaveLength(3);
  });

  it("join while a transaction is in flight, and keep the order of writes to one row", async () => {
    await using network = await startStorageProxy();
    const store = storeOver(network);
    const batch = newBatch();
    const job = jobOf({}, batch);
    const first = store.insert(job);
    const repeated = store.insert(job);
    const others = insertAll(store, [jobOf({}, batch), jobOf({}, batch)]);
    expect((await first).written).toBe(true);
    expect(await repeated).toEqual({ written: false, current: { value: job, etag: etagOf(await first) } });
    expect((await others).every(({ written }) => written)).toBe(true);
    expect(await store.counts(batch)).toEqual({ ...NO_COUNTS, queued: 3 });
  });

  it("fail together when one is refused; the innocent ones are written all the same", async () => {
    await using network = await startStorageProxy();
    const store = storeOver(network);
    const batch = newBatch();
    const jobs = Array.from({ length: 60 }, () => jobOf({}, batch));
    const etags = (await insertAll(store, jobs)).map(etagOf);
    const guilty = jobs[41]!;
    expect((await cancel(store, guilty, etags[41]!)).written).toBe(true);
    network.requests.length = 0;
    const results = await Promise.all(jobs.map((job, index) => cancel(store, job, etags[index]!)));
    expect(results.flatMap(({ written }, index) => (written ? [] : [index]))).toEqual([41]);
    expect(results[41]).toMatchObject({ written: false, current: { value: { ...guilty, state: "canceled" } } });
    expect(await store.counts(batch)).toEqual({ ...NO_COUNTS, canceled: 60 });
    expect(network.requests.filter(isTransaction).length).toBeLessThan(20);
  });

  it("leave the counter alone when no state changes", async () => {
    await using network = await startStorageProxy();
    const store = storeOver(network);
    const batch = newBatch();
    const job = jobOf({}, batch);
    const claimed = await store.update({
      jobId: job.jobId,
      etag: etagOf(await store.insert(job)),
      from: "queued",
      to: "running",
      changes: {},
    });
    const counters = testStorage().table("jobs").retrying;
    const before = await counters.getEntity(partitionOf(batch.batchId, 0), "~writer-1");
    const progress = { from: "running", to: "running", changes: { progress: { fraction: 0.5 } } } as const;
    const result = await store.update({ jobId: job.jobId, etag: etagOf(claimed), ...progress });
    expect(result.written).toBe(true);
    expect(await counters.getEntity(partitionOf(batch.batchId, 0), "~writer-1")).toEqual(before);
  });

  it("do not suffer from one that the service cannot take at all", async () => {
    await using network = await startStorageProxy();
    const store = storeOver(network);
    const batch = newBatch();
    const jobs = Array.from({ length: 9 }, () => jobOf({}, batch));
    const impossible = store.insert(jobOf({ output: "x".repeat(40_000) }, batch));
    await Promise.all([insertAll(store, jobs), expect(impossible).rejects.toThrow(InvariantError)]);
    expect(await store.counts(batch)).toEqual({ ...NO_COUNTS, queued: 9 });
  });
});

describe("a writer's counter", () => {
  it("is taken up again by a process that restarts under the same name", async () => {
    const batch = newBatch();
    for (let process = 0; process < 3; process++) {
      const store = createJobStore({ storage: testStorage(), writerId: "same" });
      expect((await store.insert(jobOf({}, batch))).written).toBe(true);
      expect(await store.counts(batch)).toEqual({ ...NO_COUNTS, queued: process + 1 });
    }
  });

  it("stays exact when two processes use one name by mistake", async () => {
    const batch = newBatch();
    const stores = [1, 2, 3].map(() => createJobStore({ storage: testStorage(), writerId: "same" }));
    const jobs = stores.map(() => Array.from({ length: 20 }, () => jobOf({}, batch)));
    const results = await Promise.all(
      stores.flatMap((store, index) =>
        jobs[index]!.map(async (job) => {
          for (;;) {
            const result = await store.insert(job).catch((error: unknown) => error);
            if (!(result instanceof UnavailableError)) return result;
          }
        }),
      ),
    );
    expect(results).toHaveLength(60);
    expect(await stores[0]!.counts(batch)).toEqual({ ...NO_COUNTS, queued: 60 });
  });

  it("is found again after its writer was forgotten", async () => {
    const writers = createPartitionWriters(testStorage().table("jobs"), "forgetful", 1);
    const partitions = [partitionOf(newBatch().batchId, 0), partitionOf(newBatch().batchId, 0)];
    for (const round of [1, 2, 3]) {
      for (const partition of partitions) {
        const write = { rowKey: `row-${round}`, cells: {}, etag: undefined, change: countChange(undefined, "queued") };
        expect((await writers.of(partition).write(write)).written).toBe(true);
      }
    }
    const [partition = ""] = partitions;
    expect(await testStorage().table("jobs").retrying.getEntity(partition, "~forgetful")).toMatchObject({ queued: 3 });
  });
});

describe("a transaction whose answer does not come", () => {
  const cases: readonly { fates: readonly Fate[]; what: string; written: boolean }[] = [
    { what: "did not arrive: it is sent again", fates: ["drop"], written: true },
    { what: "failed in the service: it is sent again", fates: ["fail", "fail"], written: true },
    { what: "had landed: the row is reported", fates: ["lose"], written: false },
    { what: "had landed before the service failed: the row is reported", fates: ["fail-after"], written: false },
    { what: "landed at the second try: the row is reported", fates: ["drop", "lose"], written: false },
    { what: "arrives after it was sent again: it is refused", fates: ["late"], written: true },
    { what: "arrives twice after it was sent again: it is refused", fates: ["late", "late"], written: true },
  ];

  it.each(cases)("$what", async ({ fates, written }) => {
    await using network = await startStorageProxy();
    const store = storeOver(network);
    const batch = newBatch();
    await store.insert(jobOf({}, batch));
    decideTransactions(network, fates);
    const jobs = [jobOf({}, batch), jobOf({}, batch)];
    const results = await insertAll(store, jobs);
    for (const [index, job] of jobs.entries()) {
      const stored = await store.get(job.jobId);
      expect(stored?.value).toEqual(job);
      expect(results[index]).toEqual(written ? { written, etag: stored?.etag } : { written, current: stored });
    }
    await network.releaseLate();
    expect(await store.counts(batch)).toEqual({ ...NO_COUNTS, queued: 3 });
    expect((await store.insert(jobOf({}, batch))).written).toBe(true);
    expect(await store.counts(batch)).toEqual({ ...NO_COUNTS, queued: 4 });
  });

  it("counts once when it arrives after its writer has given up and gone on", async () => {
    await using network = await startStorageProxy();
    const store = storeOver(network);
    const batch = newBatch();
    const kept = jobOf({}, batch);
    const etag = etagOf(await store.insert(kept));
    decideTransactions(network, ["late", "late", "late"]);
    const job = jobOf({}, batch);
    await expect(store.insert(job)).rejects.toThrow(UnavailableError);
    // The first of the three lands, and moves the counter below the writer's feet.
    await network.releaseLate();
    expect(await store.counts(batch)).toEqual({ ...NO_COUNTS, queued: 2 });
    expect((await cancel(store, kept, etag)).written).toBe(true);
    expect(await store.insert(job)).toMatchObject({ written: false, current: { value: job } });
    expect(await store.counts(batch)).toEqual({ ...NO_COUNTS, queued: 1, canceled: 1 });
  });

  it("is refused when it arrives after its writer has given up and the counter has moved", async () => {
    await using network = await startStorageProxy();
    const store = storeOver(network);
    const batch = newBatch();
    await store.insert(jobOf({}, batch));
    decideTransactions(network, ["late", "late", "late"]);
    const job = jobOf({}, batch);
    await expect(store.insert(job)).rejects.toThrow(UnavailableError);
    await store.insert(jobOf({}, batch));
    await network.releaseLate();
    expect(await store.get(job.jobId)).toBeUndefined();
    expect(await store.counts(batch)).toEqual({ ...NO_COUNTS, queued: 2 });
  });
});

describe("an outage", () => {
  it("is reported as such, and over when storage is back", async () => {
    await using network = await startStorageProxy();
    const store = storeOver(network);
    const batch = newBatch();
    const job = jobOf({}, batch);
    network.decide = () => "drop";
    await Promise.all([
      expect(store.insert(job)).rejects.toThrow(UnavailableError),
      expect(store.get(job.jobId)).rejects.toThrow(UnavailableError),
      expect(store.counts(batch)).rejects.toThrow(UnavailableError),
      expect(store.list(batch, { pageSize: 1 })).rejects.toThrow(UnavailableError),
    ]);
    network.decide = () => "pass";
    expect((await store.insert(job)).written).toBe(true);
    expect(await store.counts(batch)).toEqual({ ...NO_COUNTS, queued: 1 });
  });

  it("is what a missing table looks like", async () => {
    const store = createJobStore({ storage: { table: () => testStorage().table("nosuchtable") }, writerId: "w" });
    await expect(store.get(jobOf().jobId)).rejects.toThrow(UnavailableError);
    await expect(store.insert(jobOf())).rejects.toThrow(UnavailableError);
  });
});
