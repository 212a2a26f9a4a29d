/** The contract of core/ports/job-store.ts. */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { InvalidRequestError, InvariantError } from "../../../runtime/core/errors.ts";
import { HISTORY_MAX_ENTRIES, OUTPUT_MAX_BYTES, PARAMETERS_INLINE_MAX_BYTES } from "../../../runtime/core/limits.ts";
import type { Batch, Claim, Job } from "../../../runtime/core/job/job.ts";
import type { JobChanges, JobOutline, JobStore, WriteResult } from "../../../runtime/core/ports/job-store.ts";
import type { Page } from "../../../runtime/core/ports/stored.ts";
import { type JobState, NO_COUNTS } from "../../../runtime/core/job/states.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { BACKINGS } from "../../support/stores/backings.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const newBatch = (fields: Partial<Batch> = {}): Batch => batchOf({ tenantName: freshTenant(), ...fields });

const claimOf = (id: string): Claim => ({
  id,
  workerId: "worker-1",
  bootId: "boot-1",
  queue: "jobs-default-normal",
  sequenceNumber: "9007199254740993",
  since: new Date("2026-01-02T03:04:06.007Z"),
});

/** The ETag of a write that must have succeeded. */
async function etagOf(result: Promise<WriteResult>): Promise<string> {
  const written = await result;
  if (!written.written) throw new Error("not written");
  return written.etag;
}

describe.each(BACKINGS)("over $name", ({ start }) => {
  const open = start();
  describe("a job's row", () => {
    it("a job is read back as it was inserted, with the ETag that the insert returned", async () => {
      const store = open().jobs;
      const job = jobOf({ parameters: '{"text":"ü 😀 \u2028 \\" PATCH http://x {}"}' }, newBatch());
      const etag = await etagOf(store.insert(job));
      expect(await store.get(job.jobId)).toEqual({ value: job, etag });
    });

    it("outlines are those of all jobs, or of those that changed since an instant or have not ended", async () => {
      const store = open().jobs;
      const batch = newBatch({ shardCount: 2 });
      const old = new Date("2026-01-01T00:00:00Z");
      const since = new Date("2026-02-01T00:00:00Z");
      const made = Array.from({ length: 4 }, () =>
        jobOf({ submittedAt: old, tags: ["a"], jobType: "Outlined", parameters: "1" }, batch),
      );
      const recent = jobOf({ submittedAt: since, runAt: since }, batch);
      for (const job of [...made, recent]) await store.insert(job);
      const end = async ({ jobId }: Job, endedAt: Date): Promise<void> => {
        const { etag } = (await store.get(jobId))!;
        await store.update({ jobId, etag, from: "queued", to: "canceled", changes: { endedAt } });
      };
      await end(made[0]!, old);
      await end(made[1]!, since);
      const outlines = async (from?: Date): Promise<readonly JobOutline[]> => {
        const found: JobOutline[] = [];
        for await (const outline of store.outlines(batch, from)) found.push(outline);
        return found;
      };
      expect((await outlines()).map(({ jobId }) => jobId).sort()).toEqual(
        [...made, recent].map(({ jobId }) => jobId).sort(),
      );
      const found = await outlines(since);
      const expected = [made[1]!, made[2]!, made[3]!, recent].map(({ jobId }) => jobId).sort();
      expect(found.map(({ jobId }) => jobId).sort()).toEqual(expected);
      expect(found.find(({ jobId }) => jobId === made[1]!.jobId)).toEqual({
        ...{ jobId: made[1]!.jobId, state: "canceled", jobType: "Outlined", tags: ["a"], runAt: undefined },
      });
    });

    it("reading a job by an unknown or invalid id finds nothing", async () => {
      const store = open().jobs;
      expect(await store.get(jobOf({}, newBatch()).jobId)).toBeUndefined();
      expect(await store.get("nonsense/../id")).toBeUndefined();
    });

    it("a change of a job keeps the fields that it does not name and clears undefined ones", async () => {
      const store = open().jobs;
      const job = jobOf({ runAt: new Date("2026-02-03T04:05:06.007Z"), packageHash: "abc" }, newBatch());
      const claim = claimOf("claim-1");
      const entry = { execution: 1, attempt: 1, workerId: "w", claimId: claim.id, startedAt: claim.since };
      const inserted = await etagOf(store.insert(job));
      const claimed = await etagOf(
        store.update({
          jobId: job.jobId,
          etag: inserted,
          from: "queued",
          to: "running",
          changes: { claim, runAt: undefined, history: [entry], progress: { fraction: 0.5 } },
        }),
      );
      const ended = { ...entry, endedAt: new Date("2026-02-03T04:05:07Z"), outcome: "succeeded" as const };
      const etag = await etagOf(
        store.update({
          jobId: job.jobId,
          etag: claimed,
          from: "running",
          to: "succeeded",
          changes: { claim: undefined, progress: undefined, history: [ended], output: "42" },
        }),
      );
      const expected: Job = { ...job, state: "succeeded", runAt: undefined, output: "42", history: [ended] };
      expect(await store.get(job.jobId)).toEqual({ value: expected, etag });
    });

    it("a change of a job with an outdated ETag is refused and returns the current row", async () => {
      const store = open().jobs;
      const job = jobOf({}, newBatch());
      const inserted = await etagOf(store.insert(job));
      const change = { jobId: job.jobId, etag: inserted, from: "queued", to: "running" } as const;
      const etag = await etagOf(store.update({ ...change, changes: { claim: claimOf("first") } }));
      expect(await store.update({ ...change, changes: { claim: claimOf("second") } })).toEqual({
        written: false,
        current: { value: { ...job, state: "running", claim: claimOf("first") }, etag },
      });
    });

    it("a second insert of a job is refused and returns the first row", async () => {
      const job = jobOf({}, newBatch());
      const etag = await etagOf(open().jobs.insert(job));
      const again = await open().jobs.insert({ ...job, jobName: "other" });
      expect(again).toEqual({ written: false, current: { value: job, etag } });
    });

    it("a change of a missing job is refused and returns no row", async () => {
      const job = jobOf({}, newBatch());
      const result = await open().jobs.update({
        jobId: job.jobId,
        etag: `W/"datetime'2026-01-01T00%3A00%3A00.0000000Z'"`,
        from: "queued",
        to: "canceled",
        changes: {},
      });
      expect(result).toEqual({ written: false, current: undefined });
    });

    it("a change of a job with an illegal transition is refused without a request", async () => {
      const update = { jobId: jobOf({}, newBatch()).jobId, etag: "*", changes: {} };
      await expect(open().jobs.update({ ...update, from: "succeeded", to: "failed" })).rejects.toThrow(InvariantError);
    });
  });

  describe("the list of a batch's jobs", () => {
    async function allPages(list: (continuationToken?: string) => Promise<Page<Job>>): Promise<readonly Job[][]> {
      const pages: Job[][] = [];
      let token: string | undefined;
      do {
        const page = await list(token);
        pages.push([...page.items]);
        token = page.continuationToken;
      } while (token !== undefined);
      return pages;
    }

    async function insertJobs(batch: Batch, count: number): Promise<readonly Job[]> {
      const store = open().jobs;
      const jobs = Array.from({ length: count }, () => jobOf({}, batch));
      await Promise.all(jobs.map((job) => etagOf(store.insert(job))));
      return jobs;
    }

    it("the list of a batch has each job of 16 shards once, sorted by id, for any page size", async () => {
      const batch = newBatch({ shardCount: 16 });
      const ids = (await insertJobs(batch, 150)).map(({ jobId }) => jobId).sort();
      const store = open().jobs;
      for (const pageSize of [1_000, 150, 64, 7]) {
        const pages = await allPages((continuationToken) => store.list(batch, { pageSize, continuationToken }));
        expect(pages.flat().map(({ jobId }) => jobId)).toEqual(ids);
        expect(pages.slice(0, -1).every((page) => page.length === pageSize)).toBe(true);
      }
    });

    it("the list of a batch by state has each job in this state once, and no counter rows", async () => {
      const batch = newBatch({ shardCount: 16 });
      const jobs = await insertJobs(batch, 120);
      const store = open().jobs;
      const chosen = jobs.filter((_, index) => index % 5 === 0);
      for (const job of chosen) {
        const stored = await store.get(job.jobId);
        const update = { jobId: job.jobId, from: "queued", to: "canceled", changes: {} } as const;
        await etagOf(store.update({ ...update, etag: stored!.etag }));
      }
      const canceled = await allPages((continuationToken) =>
        store.list(batch, { pageSize: 5, continuationToken, state: "canceled" }),
      );
      expect(canceled.flat().map(({ jobId }) => jobId)).toEqual(chosen.map(({ jobId }) => jobId).sort());
      expect(await store.counts(batch)).toEqual({ ...NO_COUNTS, queued: 96, canceled: 24 });
    });

    it("the list of a batch without jobs is empty", async () => {
      const batch = newBatch({ shardCount: 16 });
      expect(await open().jobs.list(batch, { pageSize: 10 })).toEqual({ items: [], continuationToken: undefined });
      expect(await open().jobs.counts(batch)).toEqual(NO_COUNTS);
    });

    it("the list of a batch refuses tokens of other batches and invented ones", async () => {
      const tenant = freshTenant();
      const [batch, other] = [
        newBatch({ tenantName: tenant, shardCount: 2 }),
        newBatch({ tenantName: tenant, shardCount: 2 }),
      ];
      await insertJobs(other, 4);
      const { continuationToken } = await open().jobs.list(other, { pageSize: 1 });
      const shard99 = Buffer.from("1:99:").toString("base64url");
      for (const token of ["", "x", "MTo=", shard99, `${continuationToken}A`, continuationToken, "z".repeat(3_000)]) {
        const listing = open().jobs.list(batch, { pageSize: 1, continuationToken: token });
        await expect(listing).rejects.toThrow(InvalidRequestError);
      }
    });
  });

  describe("a job's row at its limits", () => {
    const move = async (store: JobStore, jobId: string, from: JobState, to: JobState, changes: JobChanges = {}) => {
      const { etag } = (await store.get(jobId))!;
      return etagOf(store.update({ jobId, etag, from, to, changes }));
    };

    it("a job's row can hold the longest parameters and output, and refuses a text that is too long", async () => {
      const store = open().jobs;
      const job = jobOf({ parameters: JSON.stringify("ü".repeat(PARAMETERS_INLINE_MAX_BYTES / 2)) }, newBatch());
      await etagOf(store.insert(job));
      const output = "x".repeat(OUTPUT_MAX_BYTES);
      await move(store, job.jobId, "queued", "running", { output });
      expect((await store.get(job.jobId))?.value).toEqual({ ...job, state: "running", output });
      const refused = move(store, job.jobId, "running", "running", { output: "x".repeat(40_000) });
      await expect(refused).rejects.toThrow(InvariantError);
      expect((await store.get(job.jobId))?.value.output).toBe(output);
    });

    it("a job's row keeps the latest starts, oldest first, and replaces one that is written again", async () => {
      const store = open().jobs;
      const job = jobOf({}, newBatch());
      await etagOf(store.insert(job));
      const entries = Array.from({ length: HISTORY_MAX_ENTRIES + 3 }, (_, index) => ({
        ...{ execution: index + 1, attempt: 1, workerId: "w", claimId: `c-${index}`, startedAt: new Date(index) },
      }));
      await move(store, job.jobId, "queued", "running", { history: entries.slice(0, HISTORY_MAX_ENTRIES) });
      for (const entry of entries.slice(HISTORY_MAX_ENTRIES)) {
        await move(store, job.jobId, "running", "running", { history: [entry] });
      }
      const ended = { ...entries.at(-1)!, endedAt: new Date(7), outcome: "failed" as const, code: "JobFailed" };
      await move(store, job.jobId, "running", "failed", { history: [ended] });
      expect((await store.get(job.jobId))?.value.history).toEqual([...entries.slice(3, -1), ended]);
    });

    it("a job's row keeps every field of a failure, instants to the millisecond", async () => {
      const store = open().jobs;
      const expiresAt = new Date("2026-02-03T04:05:06.789Z");
      const job = jobOf({ clientJobId: "order-7", timeoutMs: 1, retry: { maxAttempts: 2 }, expiresAt }, newBatch());
      await etagOf(store.insert(job));
      const failure = { code: "JobFailed", message: "ü\n\u0000", attempt: 3, failedAt: expiresAt, retryable: false };
      const changes = { failure, cancelWanted: true, reopen: true, endedAt: expiresAt, artifactCount: 2 } as const;
      await move(store, job.jobId, "queued", "failed", changes);
      expect((await store.get(job.jobId))?.value).toEqual({ ...job, ...changes, state: "failed" });
    });

    it("an empty optional text in a job's row is read as absent", async () => {
      const store = open().jobs;
      const job = jobOf({ packageHash: "abc" }, newBatch());
      await etagOf(store.insert(job));
      await move(store, job.jobId, "queued", "running", { packageHash: "", output: "" });
      expect((await store.get(job.jobId))?.value).toEqual({ ...job, state: "running", packageHash: undefined });
    });

    it("a job cannot be inserted in another state than queued or with an invalid id", async () => {
      const store = open().jobs;
      const job = jobOf({ state: "running" }, newBatch());
      await expect(store.insert(job)).rejects.toThrow(InvariantError);
      await expect(store.insert({ ...job, state: "queued", jobId: "../x" })).rejects.toThrow(InvariantError);
      const update = { jobId: "../x", etag: "x", from: "queued", to: "running", changes: {} } as const;
      await expect(store.update(update)).rejects.toThrow(InvariantError);
    });
  });

  describe("the counts of a batch", () => {
    it("the counts of a batch follow every successful write and no other, in all shards", async () => {
      const [store, other] = [open().jobs, open().jobs];
      const batch = newBatch({ shardCount: 16 });
      const jobs = Array.from({ length: 40 }, () => jobOf({}, batch));
      await Promise.all(jobs.map((job) => store.insert(job)));
      await Promise.all(jobs.slice(0, 10).map((job) => other.insert(job)));
      expect(await store.counts(batch)).toEqual({ ...NO_COUNTS, queued: 40 });
      const stored = await Promise.all(jobs.slice(0, 20).map(async ({ jobId }) => (await store.get(jobId))!));
      const claim = async (by: JobStore) =>
        Promise.all(
          stored.map(({ value: { jobId }, etag }) =>
            by.update({ jobId, etag, from: "queued", to: "running", changes: { packageHash: randomUUID() } }),
          ),
        );
      const results = (await Promise.all([claim(store), claim(other)])).flat();
      expect(results.filter(({ written }) => written)).toHaveLength(20);
      expect(await other.counts(batch)).toEqual({ ...NO_COUNTS, queued: 20, running: 20 });
    });

    it("the version of a batch's counts changes exactly when they change", async () => {
      const store = open().jobs;
      const batch = newBatch({ shardCount: 2 });
      const snapshots = [await store.snapshot(batch)];
      expect(snapshots[0]).toMatchObject({ counts: NO_COUNTS, changedAt: undefined });
      const before = Date.now();
      const [one, two] = [jobOf({}, batch), jobOf({}, batch)];
      let etag = await etagOf(store.insert(one));
      snapshots.push(await store.snapshot(batch));
      await etagOf(store.insert(two));
      snapshots.push(await store.snapshot(batch));
      etag = await etagOf(store.update({ jobId: one.jobId, etag, from: "queued", to: "queued", changes: { ring: 2 } }));
      await store.insert(one);
      expect(await store.snapshot(batch)).toEqual(snapshots[2]);
      await etagOf(store.update({ jobId: one.jobId, etag, from: "queued", to: "canceled", changes: {} }));
      snapshots.push(await store.snapshot(batch));
      expect(new Set(snapshots.map(({ version }) => version)).size).toBe(snapshots.length);
      expect(snapshots[3]!.counts).toEqual({ ...NO_COUNTS, queued: 1, canceled: 1 });
      // The service tells times to the second at the coarsest.
      expect(snapshots[3]!.changedAt!.getTime()).toBeGreaterThan(before - 2_000);
    });

    it("the counts of a batch do not include jobs of another batch", async () => {
      const store = open().jobs;
      const [batch, other] = [newBatch(), newBatch()];
      await etagOf(store.insert(jobOf({}, other)));
      expect(await store.counts(batch)).toEqual(NO_COUNTS);
      expect((await store.list(batch, { pageSize: 5 })).items).toEqual([]);
    });
  });

  describe("a scan of a batch", () => {
    it("a scan of a batch returns every job in a state, and the jobs can be changed during the scan", async () => {
      const store = open().jobs;
      const batch = newBatch({ shardCount: 16 });
      const jobs = Array.from({ length: 60 }, () => jobOf({}, batch));
      await Promise.all(jobs.map((job) => store.insert(job)));
      const seen: string[] = [];
      for await (const { value, etag } of store.scan(batch, "queued")) {
        seen.push(value.jobId);
        const update = { jobId: value.jobId, etag, from: "queued", to: "canceled", changes: {} } as const;
        expect((await store.update(update)).written).toBe(true);
      }
      expect(seen.toSorted()).toEqual(jobs.map(({ jobId }) => jobId).toSorted());
      for await (const { value } of store.scan(batch, "queued")) throw new Error(value.jobId);
    });
  });

  describe("a continuation token", () => {
    it("a continuation token still works when its job has left the list", async () => {
      const store = open().jobs;
      const batch = newBatch();
      const jobs = Array.from({ length: 4 }, () => jobOf({}, batch));
      for (const job of jobs) await etagOf(store.insert(job));
      const { items, continuationToken } = await store.list(batch, { pageSize: 2, state: "queued" });
      const [, last] = items;
      const { etag } = (await store.get(last!.jobId))!;
      await etagOf(store.update({ jobId: last!.jobId, etag, from: "queued", to: "canceled", changes: {} }));
      const rest = await store.list(batch, { pageSize: 9, state: "queued", continuationToken });
      expect([...items, ...rest.items].map(({ jobId }) => jobId)).toEqual(jobs.map(({ jobId }) => jobId).toSorted());
    });
  });
});
