import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseBell } from "../../../runtime/core/job/bell.ts";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import { parseJobId } from "../../../runtime/core/job/ids.ts";
import { PARAMETERS_INLINE_MAX_BYTES, PARAMETERS_MAX_BYTES } from "../../../runtime/core/limits.ts";
import type { JobQueue, OutgoingBell } from "../../../runtime/core/ports/job-queue.ts";
import { startTestApi, type TestApi } from "../../support/api/test-api.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { artifactContent } from "../../support/api/artifact-content.ts";

/** The queue's side of a submit: what was rung, and whether the broker is there. */
const sent: { queue: string; bell: OutgoingBell }[] = [];
let brokerAway = false;
const queue: JobQueue = {
  send: (name, bells) => {
    if (brokerAway) return Promise.reject(new UnavailableError("BusUnavailable", "away"));
    sent.push(...bells.map((bell) => ({ queue: name, bell })));
    return Promise.resolve();
  },
  receiver: () => {
    throw new Error("The API receives nothing.");
  },
  peek: () => Promise.resolve([]),
  takeDeadLetters: () => Promise.resolve([]),
  close: () => Promise.resolve(),
};

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi(queue);
});
afterAll(() => api[Symbol.asyncDispose]());

const requestOf = (tenantName: string, fields: Record<string, unknown> = {}) => ({
  tenantName,
  jobType: "Echo",
  jobName: "hello",
  jobProcessorPackageName: "echo.zip",
  publishLater: true,
  parameters: { text: "grüß dich", nested: [1, null, { a: true }] },
  ...fields,
});

const bellsOf = (jobId: string) => sent.filter(({ bell }) => bell.bell.jobId === jobId);

describe("submitting", () => {
  it("writes the row, rings its bell and answers with the id", async () => {
    const tenant = freshTenant();
    const { status, headers, body } = await api.post("/v1/jobs", requestOf(tenant, { priority: "high" }));
    expect(status).toBe(201);
    expect(headers.get("location")).toBe(`/v1/jobs/${body.jobId}`);
    expect(parseJobId(body.jobId)).toMatchObject({ tenantName: tenant, batchId: body.batchId });
    const stored = await api.jobs.get(body.jobId);
    const [ring, ...more] = bellsOf(body.jobId);
    expect(more).toEqual([]);
    expect(ring).toMatchObject({
      queue: "jobs-default-high",
      bell: { messageId: `${body.jobId}:1`, bell: { etag: stored!.etag } },
    });
    expect(parseBell(JSON.parse(JSON.stringify(ring!.bell.bell))).ok).toBe(true);
  });

  it("gives every field back unchanged", async () => {
    const request = requestOf(freshTenant(), { retry: { maxAttempts: 7 }, timeoutMs: 5_000 });
    const submitted = await api.post("/v1/jobs", request);
    const { body } = await api.get(`/v1/jobs/${submitted.body.jobId}`);
    expect(body).toMatchObject({
      tenantName: request.tenantName,
      jobType: "Echo",
      jobName: "hello",
      jobProcessorPackageName: "echo.zip",
      parameters: request.parameters,
      state: "queued",
      attempts: 0,
      submittedBy: "local",
    });
  });

  it("keeps large parameters beside the row and refuses those over the limit", async () => {
    const tenant = freshTenant();
    const large = { text: "x".repeat(PARAMETERS_INLINE_MAX_BYTES) };
    const submitted = await api.post("/v1/jobs", requestOf(tenant, { parameters: large }));
    const { body } = await api.get(`/v1/jobs/${submitted.body.jobId}`);
    expect(body.parameters).toEqual(large);
    expect(bellsOf(submitted.body.jobId)[0]!.bell.bell.start.parameters).toBeUndefined();

    const huge = await api.post("/v1/jobs", requestOf(tenant, { parameters: "x".repeat(PARAMETERS_MAX_BYTES) }));
    expect(huge).toMatchObject({ status: 413, body: { error: { code: "PayloadTooLarge", target: "parameters" } } });
  });

  it("collects jobs without a batch in one batch a day", async () => {
    const tenant = freshTenant();
    const first = await api.post("/v1/jobs", requestOf(tenant));
    const second = await api.post("/v1/jobs", requestOf(tenant));
    expect(second.body.batchId).toBe(first.body.batchId);
    const { body } = await api.get(`/v1/batches/${first.body.batchId}`);
    expect(body.counts).toEqual({ queued: 2, running: 0, succeeded: 0, failed: 0, canceled: 0, total: 2 });
  });

  it("takes thousands in one request and lists each exactly once, in pages of the size asked for", async () => {
    const tenant = freshTenant();
    const { body: batch } = await api.post("/v1/batches", { tenantName: tenant, batchName: "Many", large: true });
    const jobs = Array.from({ length: 2_000 }, (_, i) => requestOf(tenant, { jobName: `job ${i}`, parameters: i }));
    const { status, body } = await api.post("/v1/jobs/bulk", { batchId: batch.batchId, jobs });
    expect(status).toBe(200);
    const ids = body.results.map(({ jobId }) => jobId);
    expect(new Set(ids).size).toBe(2_000);
    expect(ids.every((id) => bellsOf(id).length === 1)).toBe(true);

    const listed: string[] = [];
    let token: string | undefined;
    do {
      const query = new URLSearchParams({ pageSize: "333", ...(token && { continuationToken: token }) });
      const { body: page } = await api.get(`/v1/batches/${batch.batchId}/jobs?${query.toString()}`);
      expect(page.items.length).toBeLessThanOrEqual(333);
      listed.push(...page.items.map(({ jobId }) => jobId));
      token = page.continuationToken;
    } while (token !== undefined);
    expect(listed.sort()).toEqual(ids.sort());
    const counted = await api.get(`/v1/batches/${batch.batchId}`);
    expect(counted.body.counts).toMatchObject({ queued: 2_000, total: 2_000 });
  });

  it("judges every job of a bulk submit alone", async () => {
    const tenant = freshTenant();
    const { body: batch } = await api.post("/v1/batches", { tenantName: tenant, batchName: "Mixed" });
    const { status, body } = await api.post("/v1/jobs/bulk", {
      batchId: batch.batchId,
      jobs: [requestOf(tenant), requestOf(tenant, { jobType: "" }), requestOf("other"), 7, requestOf(tenant)],
    });
    expect(status).toBe(200);
    expect(body.results).toMatchObject([
      { batchId: batch.batchId },
      { error: { code: "InvalidRequest", message: expect.stringContaining("jobs[1].jobType") as unknown } },
      { error: { code: "InvalidRequest", message: expect.stringContaining("tenantName") as unknown } },
      { error: { code: "InvalidRequest" } },
      { batchId: batch.batchId },
    ]);
    expect((await api.get(`/v1/batches/${batch.batchId}`)).body.counts?.total).toBe(2);
  });

  it("accepts while the broker is away and rings when it is back", async () => {
    const tenant = freshTenant();
    brokerAway = true;
    const { status, body } = await api.post("/v1/jobs", requestOf(tenant));
    expect(status).toBe(201);
    expect(bellsOf(body.jobId)).toEqual([]);
    brokerAway = false;
    await expect.poll(() => bellsOf(body.jobId).length, { timeout: 10_000 }).toBe(1);
  });
});

describe("reading", () => {
  it("lists batches newest first", async () => {
    const tenant = freshTenant();
    const names = ["first", "second", "third"];
    for (const batchName of names) await api.post("/v1/batches", { tenantName: tenant, batchName });
    const { body } = await api.get(`/v1/batches?tenantName=${tenant}&pageSize=2`);
    expect(body.items.map(({ batchName }) => batchName)).toEqual(["third", "second"]);
    const rest = await api.get(
      `/v1/batches?tenantName=${tenant}&continuationToken=${encodeURIComponent(body.continuationToken!)}`,
    );
    expect(rest.body.items).toMatchObject([{ batchName: "first", priority: "normal", pool: "default", state: "open" }]);
    expect(rest.body.continuationToken).toBeUndefined();
  });

  it("finds a job by its id alone and filters by state", async () => {
    const tenant = freshTenant();
    const { body } = await api.post("/v1/jobs", requestOf(tenant));
    expect((await api.get(`/v1/jobs/${body.jobId}`)).body.jobId).toBe(body.jobId);
    const queued = await api.get(`/v1/batches/${body.batchId}/jobs?state=queued`);
    const failed = await api.get(`/v1/batches/${body.batchId}/jobs?state=failed`);
    expect([queued.body.items.length, failed.body.items.length]).toEqual([1, 0]);
  });

  it("gives out artifacts and logs of the latest attempt, never as a page", async () => {
    const { body } = await api.post("/v1/jobs", requestOf(freshTenant()));
    const none = await api.get(`/v1/jobs/${body.jobId}/artifacts`);
    expect(none.body).toEqual({ items: [] });
    expect(await api.get(`/v1/jobs/${body.jobId}/log`)).toMatchObject({
      status: 404,
      body: { error: { code: "LogNotFound" } },
    });

    const { value: job, etag } = (await api.jobs.get(body.jobId))!;
    const startedAt = new Date();
    const claim = { id: "c1", workerId: "w", bootId: "b", queue: "q", sequenceNumber: "1", since: startedAt };
    const entry = { execution: 1, attempt: 1, workerId: "w", claimId: "c1", startedAt };
    await api.jobs.update({
      jobId: job.jobId,
      etag,
      from: "queued",
      to: "running",
      changes: { claim, history: [entry] },
    });
    await api.files.putArtifact(job.jobId, "c1", "sub dir/evil.html", artifactContent("<p>never as a page</p>"));
    await api.files.appendLog(job.jobId, "c1", Buffer.from("one\n"));
    await api.files.appendLog(job.jobId, "c1", Buffer.from("two\n"));

    const listed = await api.get(`/v1/jobs/${job.jobId}/artifacts`);
    expect(listed.body.items).toMatchObject([{ path: "sub dir/evil.html" }]);
    const artifact = await api.get(`/v1/jobs/${job.jobId}/artifacts/sub%20dir/evil.html`);
    expect(artifact.status).toBe(200);
    expect(artifact.body).toContain("never as a page");
    expect(artifact.headers.get("content-disposition")).toContain("attachment");
    expect(artifact.headers.get("content-security-policy")).toContain("sandbox");
    expect((await api.get(`/v1/jobs/${job.jobId}/log`)).body).toBe("one\ntwo\n");
    for (const path of ["nothing.txt", "..%2f..%2fc1.log", "%2e%2e/x", "sub%20dir"]) {
      expect((await api.get(`/v1/jobs/${job.jobId}/artifacts/${path}`)).status).toBe(404);
    }
  });
});

describe("a request that cannot be served", () => {
  it.each([
    ["a missing field", { jobName: undefined }, "jobName"],
    ["an empty name", { jobType: "" }, "jobType"],
    ["a long name", { jobName: "x".repeat(201) }, "jobName"],
    ["a bad tenant", { tenantName: "Acme Inc" }, "tenantName"],
    ["a package outside its tenant", { jobProcessorPackageName: "../other/x.zip" }, "jobProcessorPackageName"],
    ["a package without .zip", { jobProcessorPackageName: "echo" }, "jobProcessorPackageName"],
    ["an unknown priority", { priority: "urgent" }, "priority"],
    ["too many attempts", { retry: { maxAttempts: 51 } }, "retry.maxAttempts"],
    ["a bad batch id", { batchId: "acme/1" }, "batchId"],
    ["a foreign field", { jobtype: "x" }, "body"],
  ])("because of %s is refused by the field's name", async (_what, fields, target) => {
    const before = sent.length;
    const { status, body } = await api.post("/v1/jobs", requestOf("acme", fields));
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: "InvalidRequest", target });
    expect(body.error.requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(sent.length).toBe(before);
  });

  it.each([
    ["GET", "/v1/nothing", 404, "RouteNotFound"],
    ["GET", "/nothing", 404, "RouteNotFound"],
    ["GET", "/v1/jobs/no-id", 404, "JobNotFound"],
    ["GET", "/v1/batches/acme.0000000000aaaaaaaa", 404, "BatchNotFound"],
    ["GET", "/v1/jobs/%E0%A4%A", 400, "InvalidRequest"],
    ["GET", "/v1/batches?tenantName=acme&pageSize=0", 400, "InvalidRequest"],
    ["GET", "/v1/batches?tenantName=acme&pageSize=1001", 400, "InvalidRequest"],
    ["GET", "/v1/batches?tenantName=acme&continuationToken=forged", 400, "InvalidRequest"],
    ["GET", "/v1/batches", 400, "InvalidRequest"],
  ])("%s %s is answered %i %s", async (_method, path, status, code) => {
    const answer = await api.get(path);
    expect(answer).toMatchObject({ status, body: { error: { code } } });
    expect(answer.headers.get("x-request-id")).toBe(answer.body.error.requestId);
  });

  it.each([
    ["{", "application/json", 400, "InvalidRequest"],
    ['"text"', "application/json", 400, "InvalidRequest"],
    ["[]", "application/json", 400, "InvalidRequest"],
    ["a=1", "application/x-www-form-urlencoded", 415, "UnsupportedMediaType"],
    ["{}", "text/plain", 415, "UnsupportedMediaType"],
    ['{"a":'.repeat(100) + "1" + "}".repeat(100), "application/json", 400, "InvalidRequest"],
  ])("a body like %j of type %s is answered %i", async (body, type, status, code) => {
    expect(await api.post("/v1/jobs", body, { "content-type": type })).toMatchObject({
      status,
      body: { error: { code } },
    });
  });

  it("because the body is too large is refused before it is read whole", async () => {
    const { status, body } = await api.post("/v1/jobs", `"${"x".repeat(17 * 1024 * 1024)}"`);
    expect({ status, code: body.error.code }).toEqual({ status: 413, code: "PayloadTooLarge" });
  });

  it("a prototype in the body touches nothing", async () => {
    const body = `{"__proto__":{"polluted":true},"tenantName":"acme"}`;
    expect((await api.post("/v1/batches", body)).status).toBe(400);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});
