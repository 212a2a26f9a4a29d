/** Exports: every job once, in constant memory, and a reader always knows whether it has all of them. */
import { mkdtemp, readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { afterAll, describe, expect, it } from "vitest";
import { JobServiceClient } from "../../../runtime/client/index.ts";
import { exportJobs } from "../../../runtime/api/export/export-jobs.ts";
import { LOCAL_CALLER, identifyAs } from "../../../runtime/api/auth/caller.ts";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import { EXPORTS_PER_CALLER_MAX_COUNT, EXPORT_PAGE_SIZE } from "../../../runtime/core/limits.ts";
import type { JobStore } from "../../../runtime/core/ports/job-store.ts";
import { jobRequestOf } from "../../support/api/submit-requests.ts";
import { startTestApi } from "../../support/api/test-api.ts";
import { letterQueue } from "../../support/bus/letter-queue.ts";
import { eventually } from "../../support/eventually.ts";
import { runCliHere } from "../../support/processes/cli-in-process.ts";
import { claimAndEnd } from "../../support/stores/row-moves.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

let pagesRead = 0;
/** Called before each page of jobs. */
let onPage: (() => Promise<void> | void) | undefined;
/** Whether the caller may still read. */
let mayRead = true;
const caller = { ...LOCAL_CALLER, renewed: () => Promise.resolve({ ...LOCAL_CALLER, mayUse: () => mayRead }) };
const api = await startTestApi(letterQueue().queue, {
  identify: identifyAs(caller),
  wrapJobs: (jobs): JobStore => ({
    ...jobs,
    async list(...request) {
      pagesRead++;
      await onPage?.();
      return jobs.list(...request);
    },
  }),
});
afterAll(() => api[Symbol.asyncDispose]());
const client = new JobServiceClient(api.url, { retry: { maxAttempts: 1 } });

async function submitted(tenantName: string, count: number, fields: object = {}): Promise<readonly string[]> {
  const jobs = Array.from({ length: count }, () => ({ ...jobRequestOf(tenantName), ...fields }));
  return (await api.post("/v1/jobs/bulk", { jobs })).body.results.map(({ jobId }) => jobId);
}

async function newBatch(tenantName: string): Promise<string> {
  return (await api.post("/v1/batches", { tenantName, batchName: "A batch" })).body.batchId;
}

async function idsOf(tenantName: string, options = {}): Promise<readonly string[]> {
  const ids: string[] = [];
  for await (const { jobId } of client.monitoring.exportJobs(tenantName, options)) ids.push(jobId);
  return ids.toSorted();
}

describe("an export", () => {
  it("has every job of the tenant's batches once, over pages, or those that fit the filter", async () => {
    const tenantName = freshTenant();
    const batchId = await newBatch(tenantName);
    const daily = await submitted(tenantName, EXPORT_PAGE_SIZE + 50);
    const inBatch = [
      (await api.post("/v1/jobs", { ...jobRequestOf(tenantName), batchId, tags: ["a"] })).body.jobId,
      (await api.post("/v1/jobs", { ...jobRequestOf(tenantName), batchId })).body.jobId,
    ];
    await claimAndEnd(api.jobs, inBatch[0]!, "failed");
    await submitted(`${tenantName}-eu`, 2);
    expect(await idsOf(tenantName)).toEqual([...daily, ...inBatch].toSorted());
    expect(await idsOf(tenantName, { batchId })).toEqual(inBatch.toSorted());
    expect(await idsOf(tenantName, { state: "failed" })).toEqual([inBatch[0]]);
    expect(await idsOf(tenantName, { tag: "a", since: new Date(0) })).toEqual([inBatch[0]]);
    expect(await idsOf(tenantName, { until: new Date(0) })).toEqual([]);
    expect(await idsOf(freshTenant())).toEqual([]);
    const { status, body } = await api.get(`/v1/tenants/${tenantName}-eu/export?batchId=${batchId}`);
    expect([status, body.error.code]).toEqual([404, "BatchNotFound"]);
  });

  it("says at its end that it is whole, in both forms", async () => {
    const tenantName = freshTenant();
    await submitted(tenantName, 2, { jobName: "=1+1" });
    const [lines, csv] = await Promise.all(
      ["ndjson", "csv"].map(async (format) => {
        const response = await fetch(`${api.url}/v1/tenants/${tenantName}/export?format=${format}`);
        return (await response.text()).split(/\r?\n/);
      }),
    );
    expect(lines!.at(-2)).toBe('{"complete":true,"jobs":2}');
    expect(csv!.at(-2)).toBe("# complete: 2 jobs");
    expect(csv!.filter((line) => line.includes(",'=1+1,"))).toHaveLength(2);
  });

  it.each(["ndjson", "csv"] as const)("as %s that breaks off is an error, however much has arrived", async (format) => {
    const tenantName = freshTenant();
    await submitted(tenantName, 3);
    await newBatch(tenantName);
    const batchId = await newBatch(tenantName);
    await api.post("/v1/jobs", { ...jobRequestOf(tenantName), batchId });
    let pages = 0;
    onPage = () => {
      if (++pages === 3) throw new UnavailableError("StorageUnavailable", "The table does not answer.");
    };
    const got: string[] = [];
    async function read(): Promise<void> {
      for await (const line of client.monitoring.exportLines(tenantName, { format })) got.push(line);
    }
    await expect(read()).rejects.toMatchObject({ code: format === "csv" ? "NetworkFailed" : "StorageUnavailable" });
    onPage = undefined;
    // A connection that is cut takes with it what waits to be sent.
    if (format === "ndjson") expect(got.filter((line) => line.includes(batchId))).toHaveLength(1);
  });

  it("ends when its caller may not read any more", async () => {
    const tenantName = freshTenant();
    await submitted(tenantName, EXPORT_PAGE_SIZE + 1);
    pagesRead = 0;
    onPage = () => void (mayRead = false);
    await expect(idsOf(tenantName)).rejects.toMatchObject({ code: "Forbidden" });
    onPage = undefined;
    mayRead = true;
  });

  it("reads no further than its reader does", async () => {
    const tenantName = freshTenant();
    await submitted(tenantName, 2 * EXPORT_PAGE_SIZE + 1);
    pagesRead = 0;
    const listing = {
      ...api.jobs,
      list: (...request: Parameters<JobStore["list"]>) => (pagesRead++, api.jobs.list(...request)),
    };
    const deps = { jobs: listing, batches: api.batches, now: () => new Date() };
    const request = { filter: { tenantName }, batch: undefined, mayRead: () => Promise.resolve(true) };
    const groups = exportJobs(request, deps);
    expect((await groups.next()).value).toHaveLength(EXPORT_PAGE_SIZE);
    expect(pagesRead).toBe(1);
    await groups.return(undefined);
    expect(pagesRead).toBe(1);
  });

  it("takes a place of its caller, which it gives back when the client leaves", async () => {
    const tenantName = freshTenant();
    // More than the buffers of a connection hold.
    const parameters = { text: "x".repeat(28_000) };
    for (let part = 0; part < 3; part++) await submitted(tenantName, 200, { parameters });
    const path = `${api.url}/v1/tenants/${tenantName}/export`;
    const unread = Array.from({ length: EXPORTS_PER_CALLER_MAX_COUNT }, () => new AbortController());
    const answers = await Promise.all(unread.map(({ signal }) => fetch(path, { signal })));
    expect(answers.map(({ status }) => status)).toEqual(unread.map(() => 200));
    const refused = await fetch(path);
    expect([refused.status, await refused.json()]).toMatchObject([429, { error: { code: "TooManyRequests" } }]);
    for (const left of unread) left.abort();
    await eventually(async () => {
      const again = await fetch(path);
      await again.body?.cancel();
      expect(again.status).toBe(200);
    });
  });
});

describe("jobyard export", () => {
  it("writes a file that is there only when the export is whole", async () => {
    const tenantName = freshTenant();
    await submitted(tenantName, 2);
    const folder = await mkdtemp(join(tmpdir(), "export-"));
    const file = join(folder, "jobs.csv");
    const run = () => runCliHere(["export", "--url", api.url, "-t", tenantName, "--format", "csv", "-o", file]);
    onPage = () => {
      throw new UnavailableError("StorageUnavailable", "The table does not answer.");
    };
    const failed = await run();
    onPage = undefined;
    expect(failed.code).not.toBe(0);
    expect(await readdir(folder)).toEqual([]);
    expect(await run()).toMatchObject({ code: 0 });
    expect((await readFile(file, "utf8")).split("\r\n")).toHaveLength(4);
    expect(await readdir(folder)).toEqual(["jobs.csv"]);
    expect((await run()).code).toBe(2);
  });
});
