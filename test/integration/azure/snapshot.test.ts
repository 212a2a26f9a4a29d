/** Sums of counters that say when they are out of date, and scans of a batch. */
import { describe, expect, it } from "vitest";
import { createJobStore } from "../../../runtime/azure/index.ts";
import { partitionOf } from "../../../runtime/core/job/ids.ts";
import type { Batch, Job } from "../../../runtime/core/job/job.ts";
import type { JobStore } from "../../../runtime/core/ports/job-store.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import { JOB_STATES, type JobState, NO_COUNTS } from "../../../runtime/core/job/states.ts";
import { breadth } from "../../support/breadth.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { freshTenant, testStorage } from "../../support/stores/test-storage.ts";

const newStore = (writerId: string): JobStore => createJobStore({ storage: testStorage(), writerId });

async function move(store: JobStore, { value, etag }: Stored<Job>, to: JobState): Promise<Stored<Job>> {
  const result = await store.update({ jobId: value.jobId, etag, from: value.state, to, changes: {} });
  if (!result.written) throw new Error("not written");
  return { value: { ...value, state: to }, etag: result.etag };
}

async function insert(store: JobStore, batch: Batch): Promise<Stored<Job>> {
  const value = jobOf({}, batch);
  const result = await store.insert(value);
  if (!result.written) throw new Error("not written");
  return { value, etag: result.etag };
}

describe("a snapshot of the counters", () => {
  it("of a batch without jobs is empty and always the same", async () => {
    const batch = batchOf({ tenantName: freshTenant(), shardCount: 16 });
    const snapshot = await newStore("a").snapshot(batch);
    expect(snapshot).toEqual({ counts: NO_COUNTS, failures: 0, version: "", changedAt: undefined });
  });

  it("has another version if, and only if, a counter was written, also when the sum stayed the same", async () => {
    const random = seededRandom(20_260_401);
    // Each step reads every shard.
    const [steps, shardCount] = breadth([40, 4], [120, 16]);
    const batch = batchOf({ tenantName: freshTenant(), shardCount });
    const writers = ["a", "b", "c"].map(newStore);
    const reader = newStore("reader");
    const jobs = new Map<string, Stored<Job>>();
    const seen = new Set<string>();
    let last = await reader.snapshot(batch);
    for (let step = 0; step < steps; step++) {
      const writer = random.pick(writers);
      const job = jobs.size === 0 || random.chance(0.3) ? undefined : random.pick([...jobs.values()]);
      const isRead = random.chance(0.2);
      let counted = !isRead;
      if (isRead) {
        await reader.list(batch, { pageSize: 10 });
      } else if (job === undefined) {
        const inserted = await insert(writer, batch);
        jobs.set(inserted.value.jobId, inserted);
      } else {
        // To running and back, so that sums repeat; progress leaves the counters alone.
        const to = job.value.state === "queued" || random.chance(0.3) ? "running" : "queued";
        counted = to !== job.value.state;
        jobs.set(job.value.jobId, await move(writer, job, to));
      }
      const snapshot = await reader.snapshot(batch);
      expect(snapshot.version === last.version).toBe(!counted);
      if (counted) expect(seen.has(snapshot.version)).toBe(false);
      seen.add(snapshot.version);
      last = snapshot;
    }
    const states = [...jobs.values()].map(({ value }) => value.state);
    const countOf = (state: JobState): number => states.filter((each) => each === state).length;
    expect(last.counts).toEqual(Object.fromEntries(JOB_STATES.map((state) => [state, countOf(state)])));
    expect(await reader.counts(batch)).toEqual(last.counts);
  });

  it("says when a counter was last written, by the service's clock", async () => {
    const batch = batchOf({ tenantName: freshTenant(), shardCount: 4 });
    const store = newStore("a");
    const before = Date.now();
    const first = await insert(store, batch);
    await insert(store, batch);
    const between = Date.now();
    await insert(newStore("b"), batch);
    await move(store, first, "canceled");
    const { changedAt } = await store.snapshot(batch);
    const newest = await testStorage()
      .table("jobs")
      .retrying.getEntity(partitionOf(batch.batchId, Number(first.value.jobId.split(".")[2])), "~a");
    expect(changedAt).toEqual(new Date(newest.timestamp!));
    expect(changedAt!.getTime()).toBeGreaterThanOrEqual(between);
    expect(between).toBeGreaterThanOrEqual(before);
  });
});

describe("a scan of a batch", () => {
  it("gives each job in the state once, with the version to write on, over all shards and pages", async () => {
    const batch = batchOf({ tenantName: freshTenant(), shardCount: 2 });
    const store = newStore("a");
    const jobs = await Promise.all(Array.from({ length: 2_300 }, () => insert(store, batch)));
    const canceled = await Promise.all(
      jobs.filter((_, index) => index % 10 < 2).map((job) => move(store, job, "canceled")),
    );
    const ids = new Set(canceled.map(({ value }) => value.jobId));
    const collect = async (state: JobState): Promise<Stored<Job>[]> => {
      const found: Stored<Job>[] = [];
      for await (const job of store.scan(batch, state)) found.push(job);
      return found;
    };
    const byId = (a: Stored<Job>, b: Stored<Job>): number => (a.value.jobId < b.value.jobId ? -1 : 1);
    expect(await collect("canceled")).toEqual(canceled.sort(byId));
    expect(await collect("queued")).toEqual(jobs.filter(({ value }) => !ids.has(value.jobId)).sort(byId));
    expect(await collect("running")).toEqual([]);
  });

  it("reads no further page after an early exit", async () => {
    const batch = batchOf({ tenantName: freshTenant() });
    const store = newStore("a");
    const [first] = await Promise.all(Array.from({ length: 5 }, () => insert(store, batch)));
    for await (const { value, etag } of store.scan(batch, "queued")) {
      expect({ value, etag }).toEqual(first);
      break;
    }
  });
});
