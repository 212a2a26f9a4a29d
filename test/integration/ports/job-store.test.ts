/** What core/ports/job-store.ts promises. */
import { describe, expect, it } from "vitest";
import { InvalidRequestError, InvariantError } from "../../../runtime/core/errors.ts";
import type { Batch, Claim, Job } from "../../../runtime/core/job.ts";
import type { WriteResult } from "../../../runtime/core/ports/job-store.ts";
import type { Page } from "../../../runtime/core/ports/stored.ts";
import { NO_COUNTS } from "../../../runtime/core/states.ts";
import { batchOf, jobOf } from "../../support/builders.ts";
import { BACKINGS } from "../../support/stores/backings.ts";
import { freshTenant } from "../../support/test-storage.ts";

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
    it("is read back as it was inserted, under the ETag the insert returned", async () => {
      const store = open().jobs;
      const job = jobOf({ parameters: '{"text":"ü 😀 \u2028 \\" PATCH http://x {}"}' }, newBatch());
      const etag = await etagOf(store.insert(job));
      expect(await store.get(job.jobId)).toEqual({ value: job, etag });
    });

    it("is absent for an unknown id and for a text that is no id", async () => {
      const store = open().jobs;
      expect(await store.get(jobOf({}, newBatch()).jobId)).toBeUndefined();
      expect(await store.get("nonsense/../id")).toBeUndefined();
    });

    it("keeps the fields a change does not name and clears those it sets to undefined", async () => {
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

    it("is not written on an outdated ETag; the writer gets the row as it is", async () => {
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

    it("is not inserted twice; the second writer gets the first one's row", async () => {
      const job = jobOf({}, newBatch());
      const etag = await etagOf(open().jobs.insert(job));
      const again = await open().jobs.insert({ ...job, jobName: "other" });
      expect(again).toEqual({ written: false, current: { value: job, etag } });
    });

    it("is reported absent when an update finds none", async () => {
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

    it("refuses an illegal transition before it asks the table", async () => {
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

    it("gives each job of 16 shards once, in the order of ids, whatever the page size", async () => {
      const batch = newBatch({ shardCount: 16 });
      const ids = (await insertJobs(batch, 150)).map(({ jobId }) => jobId).sort();
      const store = open().jobs;
      for (const pageSize of [1_000, 150, 64, 7]) {
        const pages = await allPages((continuationToken) => store.list(batch, { pageSize, continuationToken }));
        expect(pages.flat().map(({ jobId }) => jobId)).toEqual(ids);
        expect(pages.slice(0, -1).every((page) => page.length === pageSize)).toBe(true);
      }
    });

    it("gives each job in one state once, and none of the counter rows", async () => {
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

    it("is empty for a batch without jobs", async () => {
      const batch = newBatch({ shardCount: 16 });
      expect(await open().jobs.list(batch, { pageSize: 10 })).toEqual({ items: [], continuationToken: undefined });
      expect(await open().jobs.counts(batch)).toEqual(NO_COUNTS);
    });

    it("refuses a token it did not make for this very batch", async () => {
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
});
