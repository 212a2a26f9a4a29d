import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { randomBytes } from "node:crypto";
import { createReadOverview } from "../../../runtime/api/find/read-overview.ts";
import type { OverviewView } from "../../../runtime/core/http/overview-api.ts";
import { createIdSource, jobTime, newestFirstKey } from "../../../runtime/core/job/ids.ts";
import {
  FIND_ENTRIES_MAX_COUNT,
  FIND_TEXT_MAX_LENGTH,
  OVERVIEW_ENTRIES_MAX_COUNT,
  OVERVIEW_HOURS,
  OVERVIEW_KNOWN_FOR_MS,
  OVERVIEW_SPANS,
  TAG_MAX_LENGTH,
  TAGS_MAX_COUNT,
} from "../../../runtime/core/limits.ts";
import type { IndexMove } from "../../../runtime/core/ports/job-index.ts";
import type { JobQueue } from "../../../runtime/core/ports/job-queue.ts";
import { jobRequestOf } from "../../support/api/submit-requests.ts";
import { startTestApi } from "../../support/api/test-api.ts";
import { jobOf } from "../../support/builders.ts";
import { claimAndEnd, claimRow, endRow } from "../../support/stores/row-moves.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const queue = { send: () => Promise.resolve() } as unknown as JobQueue;
let now = (): Date => new Date();
const api = await startTestApi(queue, { now: () => now() });
afterAll(() => api[Symbol.asyncDispose]());

let tenant = freshTenant();
beforeEach(() => {
  tenant = freshTenant();
  now = () => new Date();
});

async function submit(fields: object = {}): Promise<string> {
  const { status, body } = await api.post("/v1/jobs", { ...jobRequestOf(tenant), ...fields });
  expect([status, body.error]).toEqual([201, undefined]);
  return body.jobId;
}
const newBatch = async (fields: object = {}): Promise<string> =>
  (await api.post("/v1/batches", { tenantName: tenant, batchName: "A batch", ...fields })).body.batchId;
const page = (query = "") => api.get(`/v1/tenants/${tenant}/jobs${query}`);
const find = async (query = ""): Promise<readonly string[]> => {
  const { status, body } = await page(query);
  expect([status, body.error]).toEqual([200, undefined]);
  return body.items.map(({ jobId }) => jobId);
};

describe("finding jobs", () => {
  it("jobs of all batches are listed newest first, in pages", async () => {
    const batchId = await newBatch({ large: true });
    const ids: string[] = [];
    for (let i = 0; i < 7; i++) ids.push(await submit(i % 2 === 0 ? { batchId } : {}));
    ids.sort((a, b) => (newestFirstKey(a) < newestFirstKey(b) ? -1 : 1));
    expect(await find()).toEqual(ids);
    const seen: string[] = [];
    for (let token = ""; ;) {
      const { body } = await page(`?pageSize=3${token}`);
      expect(body.items.length).toBeLessThanOrEqual(3);
      seen.push(...body.items.map(({ jobId }) => jobId));
      if (body.continuationToken === undefined) break;
      token = `&continuationToken=${body.continuationToken}`;
    }
    expect(seen).toEqual(ids);
    expect(await find(`?batchId=${batchId}`)).toEqual(ids.filter((id) => id.startsWith(batchId)));
  });

  it("a job has its own tags and those of its batch, and is found by each", async () => {
    const batchId = await newBatch({ tags: ["nightly", "nightly"] });
    expect((await api.get(`/v1/batches/${batchId}`)).body).toMatchObject({ tags: ["nightly"] });
    const one = await submit({ batchId, tags: ["customer:4711", "nightly"] });
    const two = await submit({ batchId });
    const three = await submit({ tags: ["customer:4711"] });
    const { body } = await api.get(`/v1/jobs/${one}`);
    expect(body).toMatchObject({ tags: ["nightly", "customer:4711"] });
    expect(await find("?tag=nightly")).toEqual([two, one]);
    expect(await find("?tag=customer:4711")).toEqual([three, one]);
    await api.post(`/v1/jobs/${one}/cancel`);
    expect(await find("?tag=customer:4711&state=canceled")).toEqual([one]);
    expect(await find("?tag=customer:4711&state=queued")).toEqual([three]);
    expect(await find("?tag=customer:471")).toEqual([]);
  });

  it("tags that are too many, too long or of other characters are refused, alone and together with those of the batch", async () => {
    const many = (count: number, prefix = "t"): readonly string[] =>
      Array.from({ length: count }, (_, index) => `${prefix}${index}`);
    const longest = "x".repeat(TAG_MAX_LENGTH);
    const batchId = await newBatch({ tags: [...many(TAGS_MAX_COUNT - 1), longest] });
    await submit({ batchId, tags: many(TAGS_MAX_COUNT - 1) });
    for (const [tags, target] of [
      [many(TAGS_MAX_COUNT + 1), "tags"],
      [[`${longest}x`], "tags[0]"],
      [["ok", "no/slash"], "tags[1]"],
      [["!"], "tags[0]"],
      [[""], "tags[0]"],
      [["one more"], "tags[0]"],
      [["more"], "tags"],
    ] as const) {
      const { status, body } = await api.post("/v1/jobs", { ...jobRequestOf(tenant), batchId, tags });
      expect([status, body.error.code, body.error.message.includes(target)]).toEqual([400, "InvalidRequest", true]);
    }
    const { body } = await api.post("/v1/jobs/bulk", {
      batchId,
      jobs: [
        { ...jobRequestOf(tenant), tags: ["t0"] },
        { ...jobRequestOf(tenant), tags: ["more"] },
      ],
    });
    expect(body.results.map(({ error }) => error?.code)).toEqual([undefined, "InvalidRequest"]);
  });

  it("filters are combined: state, type, time, delay", async () => {
    const runAt = new Date(Date.now() + 3_600_000).toISOString();
    const [queued, delayed, running, failed] = [
      await submit(),
      await submit({ runAt }),
      await submit(),
      await submit({ jobType: "Other" }),
    ];
    await api.post(`/v1/jobs/${queued}/cancel`);
    await claimRow(api.jobs, running);
    await claimAndEnd(api.jobs, failed, "failed");
    await api.index.write([
      { jobId: running, facts: { jobType: "Echo" }, from: "queued", to: "running", runAt: undefined },
      { jobId: failed, facts: { jobType: "Other" }, from: "queued", to: "failed", runAt: undefined },
    ]);
    expect(await find()).toEqual([failed, running, delayed, queued]);
    for (const [state, jobId] of Object.entries({ canceled: queued, queued: delayed, running, failed })) {
      expect([state, await find(`?state=${state}`)]).toEqual([state, [jobId]]);
    }
    expect(await find("?state=failed&state=running")).toEqual([failed, running]);
    const { status, body } = await page("?state=failed&state=lost");
    expect([status, body.error.message]).toEqual([400, expect.stringContaining("state: must be one or several of")]);
    expect((await page("?delayed=true&state=queued&state=failed")).status).toBe(400);
    expect(await find("?delayed=true")).toEqual([delayed]);
    expect(await find("?jobType=Other")).toEqual([failed]);
    expect(await find("?jobType=Other&state=queued")).toEqual([]);
    const at = (await api.get(`/v1/jobs/${running}`)).body.submittedAt;
    expect(await find(`?since=${at}`)).toContain(failed);
    expect(await find(`?until=${at}`)).toContain(queued);
    expect(await find("?since=2100-01-01T00:00:00Z")).toEqual([]);
    now = () => new Date(Date.parse(runAt) + 1);
    expect(await find("?delayed=true")).toEqual([]);
  });

  it("jobs are found by their package, and by a text in their name, an id or their failure", async () => {
    const [invoices, reports, failed] = [
      await submit({ jobName: "Invoice 4711", clientJobId: "erp-31" }),
      await submit({ jobName: "Report ÄÖÜ 100%_", jobProcessorPackageName: "reports.zip" }),
      await submit({ jobName: "Other", jobProcessorPackageName: "reports.zip" }),
    ];
    await claimAndEnd(api.jobs, failed, "failed", "Invoice is locked");
    await api.index.write([
      { jobId: failed, facts: { jobType: "Echo" }, from: "queued", to: "failed", runAt: undefined },
    ]);
    expect(await find("?jobProcessorPackageName=reports.zip")).toEqual([failed, reports]);
    expect(await find("?jobProcessorPackageName=report.zip")).toEqual([]);
    for (const [text, found] of [
      ["invoice", [failed, invoices]],
      ["ERP-31", [invoices]],
      ["äöü 100%_", [reports]],
      ["100%__", []],
      [reports.slice(-6).toUpperCase(), [reports]],
      ["x".repeat(FIND_TEXT_MAX_LENGTH), []],
    ] as const) {
      expect([text, await find(`?text=${encodeURIComponent(text)}`)]).toEqual([text, found]);
    }
    expect(await find("?text=invoice&jobProcessorPackageName=reports.zip")).toEqual([failed]);
  });

  it("a job that no longer fits is not shown, and its entry is put right when it is old", async () => {
    const moved = await submit();
    await claimAndEnd(api.jobs, moved, "succeeded");
    const stray = jobOf({}, { ...(await api.batches.get(await newBatch()))!.value }).jobId;
    await api.index.write([
      { jobId: stray, facts: { jobType: "Echo", tags: ["a"] }, from: undefined, to: "queued", runAt: undefined },
    ]);
    expect(await find("?state=queued")).toEqual([]);
    expect(await find("?state=succeeded")).toEqual([]);
    now = () => new Date(Date.now() + 3_600_000);
    expect(await find("?state=queued")).toEqual([]);
    expect(await find("?tag=a")).toEqual([]);
    expect(await find("?state=succeeded")).toEqual([moved]);
    for (const place of [{ tenantName: tenant, state: "queued" } as const, { tenantName: tenant, tag: "a" }]) {
      expect(await api.index.read(place, { limit: 10 })).toEqual([]);
    }
  });

  it("a call looks at a bounded number of entries, and the next one goes on", async () => {
    const batchId = await newBatch();
    const batch = (await api.batches.get(batchId))!.value;
    const oldest = await submit({ batchId });
    const gone = Array.from({ length: FIND_ENTRIES_MAX_COUNT + 50 }, () => jobOf({}, batch).jobId);
    const facts = { jobType: "Echo" };
    await api.index.write(gone.map((jobId) => ({ jobId, facts, from: undefined, to: "queued", runAt: undefined })));
    const { body: first } = await page("?state=queued&pageSize=1");
    expect(first.items).toEqual([]);
    const { body: second } = await page(`?state=queued&pageSize=1&continuationToken=${first.continuationToken}`);
    expect(second.items.map(({ jobId }) => jobId)).toEqual([oldest]);
  });

  it("tokens of other lists, and filters that exclude each other, are refused by name", async () => {
    await submit();
    await submit();
    const foreign = Buffer.from(newestFirstKey(jobOf({}).jobId)).toString("base64url");
    const own = (await page("?pageSize=1")).body.continuationToken!;
    for (const [query, target] of [
      [`?continuationToken=${foreign}`, "continuationToken"],
      [`?continuationToken=${own}x`, "continuationToken"],
      [`?continuationToken=${randomBytes(8).toString("base64url")}`, "continuationToken"],
      ["?delayed=true&state=failed", "delayed"],
      ["?tag=a/b", "tag"],
      ["?state=lost", "state"],
      ["?since=yesterday", "since"],
      ["?colour=red", "colour"],
      ["?text=", "text"],
      [`?text=${"x".repeat(FIND_TEXT_MAX_LENGTH + 1)}`, `at most ${FIND_TEXT_MAX_LENGTH} characters`],
      ["?jobProcessorPackageName=../x", "jobProcessorPackageName"],
    ] as const) {
      const { status, body } = await page(query);
      expect([query, status, JSON.stringify(body.error).includes(target)]).toEqual([query, 400, true]);
    }
  });

  it("a job that was ended by this API is shown with its end at once", async () => {
    const jobId = await submit();
    await claimRow(api.jobs, jobId);
    await endRow(api.jobs, jobId, "failed");
    await api.index.write([{ jobId, facts: { jobType: "Echo" }, from: "queued", to: "failed", runAt: undefined }]);
    await api.post(`/v1/jobs/${jobId}/requeue`);
    expect(await find("?state=queued")).toEqual([jobId]);
    expect(await find("?state=failed")).toEqual([]);
  });

  it("a job is submitted again with other parameters as a new one that names it", async () => {
    const batchId = await newBatch({ tags: ["nightly"] });
    const large = "x".repeat(20_000);
    const origin = await submit({ batchId, tags: ["a"], parameters: { large }, priority: "high" });
    const again = async (id: string, body: object) =>
      (await api.post(`/v1/jobs/${id}/resubmit`, { publishLater: true, ...body })).body;
    const same = await again(origin, {});
    expect((await api.get(`/v1/jobs/${same.jobId}`)).body).toMatchObject({
      ...{ originJobId: origin, batchId, tags: ["nightly", "a"], parameters: { large }, priority: "high" },
    });
    await api.post(`/v1/batches/${batchId}/close`);
    const other = await again(same.jobId, { parameters: null });
    const { body } = await api.get(`/v1/jobs/${other.jobId}`);
    expect(body).toMatchObject({ originJobId: same.jobId, tags: ["nightly", "a"], parameters: null, state: "queued" });
    expect(body.batchId).not.toBe(batchId);
  });
});

describe("the overview of a tenant", () => {
  const overview = async (): Promise<OverviewView> => {
    const { status, body } = await api.get(`/v1/tenants/${tenant}/overview`);
    expect([status, body.error]).toEqual([200, undefined]);
    return body as unknown as OverviewView;
  };
  const move = (jobId: string, to: IndexMove["to"], from: IndexMove["from"] = "queued"): IndexMove => ({
    ...{ jobId, facts: { jobType: "Echo" }, from, to, runAt: undefined },
  });
  const counts = ({ waiting, delayed, running, failed }: OverviewView) =>
    [waiting, delayed, running, failed].map(({ count, isMore }) => `${count}${isMore ? "+" : ""}`);

  it("counts what waits, runs, has failed and is delayed, with what waits longest and how jobs ended", async () => {
    const [oldest, , running, ...ended] = [
      await submit(),
      await submit(),
      await submit(),
      await submit(),
      await submit(),
    ];
    await submit({ runAt: new Date(Date.now() + 3_600_000).toISOString() });
    const [failed, succeeded] = ended;
    await api.index.write([move(running, "running"), move(failed, "failed"), move(succeeded, "succeeded")]);
    const seen = await overview();
    expect(counts(seen)).toEqual(["2", "1", "1", "1"]);
    expect(seen.oldestWaitingAt).toBe(jobTime(oldest).toISOString());
    const { course } = seen;
    expect(course.spans).toHaveLength(OVERVIEW_SPANS);
    // The last one; two when ten minutes begin just now.
    const last = course.spans.slice(-2);
    expect(last.map((span) => span.succeeded + span.failed).reduce((a, b) => a + b)).toBe(2);
    expect(course.spanMs * OVERVIEW_SPANS).toBeCloseTo(OVERVIEW_HOURS * 3_600_000);
  });

  it("says how many run of those that may run at once", async () => {
    await api.put(`/v1/tenants/${tenant}`);
    await api.put(`/v1/tenants/${tenant}/quotas`, { runningAtOnce: 2 });
    const [one] = [await submit(), await submit()];
    await api.index.write([move(one, "running")]);
    const { body } = await api.get(`/v1/tenants/${tenant}/quotas`);
    expect(body).toEqual({ tenantName: tenant, runningAtOnce: { limit: 2, used: 1 } });
  });

  it("answers many callers with one count, and counts anew soon after", async () => {
    let reads = 0;
    const counting = createReadOverview({
      index: { read: (...args) => ((reads += 1), api.index.read(...args)) },
      indexer: { flush: () => Promise.resolve() },
      now: () => now(),
      monotonicNow: () => clock,
    });
    let clock = 0;
    await Promise.all(Array.from({ length: 50 }, () => counting(tenant)));
    expect(reads).toBe(4);
    clock += OVERVIEW_KNOWN_FOR_MS;
    await counting(tenant);
    expect(reads).toBe(8);
  });

  it("counts up to its limit and says that there are more; the course then begins where all are known", async () => {
    const batchId = await newBatch();
    let at = Date.now();
    const source = createIdSource({ now: () => new Date((at -= 10)), random32: () => 7 });
    const ids = Array.from({ length: OVERVIEW_ENTRIES_MAX_COUNT + 5 }, () => source.jobId(batchId, 1));
    await api.index.write(ids.map((jobId) => move(jobId, "failed", undefined)));
    const seen = await overview();
    expect(counts(seen)).toEqual(["0", "0", "0", `${OVERVIEW_ENTRIES_MAX_COUNT}+`]);
    expect(seen.oldestWaitingAt).toBeUndefined();
    const { since, spans } = seen.course;
    expect(since).toBe(jobTime(ids[OVERVIEW_ENTRIES_MAX_COUNT - 1]!).toISOString());
    expect(spans.reduce((sum, span) => sum + span.failed, 0)).toBe(OVERVIEW_ENTRIES_MAX_COUNT);
  });
});
