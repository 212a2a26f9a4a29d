/** Every line that API and worker write while jobs run, with everything secret marked that a job, a caller or an SDK has. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLogger } from "../../../runtime/main/logger.ts";
import type { JobQueue } from "../../../runtime/core/ports/job-queue.ts";
import type { TestApi } from "../../support/api/test-api.ts";
import { codesIn, readDocument, rowsOf, sectionOf } from "../../support/docs/document-tables.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem, type TestWorker } from "../../support/test-system.ts";

const tenant = freshTenant();
/** Long and strange enough to be in no line by chance. */
const MARK = "marked7Zq4";
const mark = (what: string): string => `${MARK}${what.padEnd(20, "x")}`;
let keyCount = 0;
const CALLERS_ID = "billing-2026:17";

const lines: string[] = [];
const logOf = (service: string) =>
  createLogger({
    ...{ level: "debug", service, version: "test", instance: `${service}-1`, pool: "default" },
    destination: { write: (line) => void lines.push(line) },
  });
const parsed = (): Record<string, unknown>[] => lines.map((line) => JSON.parse(line) as Record<string, unknown>);
const ofJob = (jobId: string): Record<string, unknown>[] =>
  parsed().filter(({ messageId }) => String(messageId).startsWith(jobId));

let system: TestSystem;
let api: TestApi;
let worker: TestWorker;

/** As Azure's SDKs throw them: an address or a connection string in the text, and the request as a property. */
function sdkError(text: string): Error {
  return Object.assign(new Error(text), { request: { headers: { authorization: mark("SdkHeader") } } });
}

/** The first bell of a retry is not sent. */
function failingOnce(inner: JobQueue): JobQueue {
  let failed = false;
  return {
    ...inner,
    send(queueName, bells) {
      if (failed) return inner.send(queueName, bells);
      failed = true;
      throw sdkError(`Endpoint=sb://n.servicebus.windows.net/;SharedAccessKey=${mark("BusKey")};EntityPath=q`);
    },
  };
}

beforeAll(async () => {
  // An attempt that breaks off leaves its message to its lock.
  system = await startTestSystem({ lockMs: 10_000 });
  await system.publish(
    tenant,
    "test.zip",
    testPackage({
      jobs: {
        Talks: `
          console.log(JSON.stringify(job.parameters));
          console.error("Bearer ${mark("JobLog")}");
          context.progress(0.5, "${mark("Progress")}");
          fs.writeFileSync(path.join(context.outputPath, "${mark("FileName")}.txt"), "${mark("FileContent")}");
          return { output: { answer: job.parameters.secret } };`,
        FailsOnce: `if (job.attempt < 2) throw new Error(job.parameters.secret); return { output: 1 };`,
      },
    }),
  );
  api = await system.anotherApi({
    log: logOf("api"),
    wrapJobs: (inner) => ({
      ...inner,
      get(jobId) {
        if (!jobId.endsWith("0000")) return inner.get(jobId);
        throw sdkError(`GET https://a.table.core.windows.net/jobs?sv=2025&sig=${mark("Sas")} failed`);
      },
    }),
    postWebhook: () =>
      Promise.resolve({ error: `connect https://hook.example/${mark("HookPath")}`, answer: mark("Answer") }),
  });
  worker = await system.startWorker({ log: logOf("worker"), wrapQueue: failingOnce });
});
afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

/** Submits as a program does: with a token, and with an id of its own. Resolves to the job's id and the request's. */
async function submit(jobType: string, clientRequestId = CALLERS_ID) {
  const { status, headers, body } = await api.post(
    `/v1/jobs`,
    {
      ...{ tenantName: tenant, jobType, jobName: jobType, jobProcessorPackageName: "test.zip" },
      parameters: { secret: mark("Parameter") },
      retry: { initialDelayMs: 50, jitter: 0 },
    },
    {
      "content-type": "application/json",
      authorization: `Bearer ${mark("Token")}`,
      "idempotency-key": mark(`Key${++keyCount}`),
      "x-client-request-id": clientRequestId,
    },
  );
  expect(status).toBe(201);
  return { jobId: body.jobId, requestId: headers.get("x-request-id")!, headers };
}

describe("the log of API and worker", () => {
  it("names tenant, batch, job, claim and request in every line of an attempt, and the row names the request", async () => {
    const { jobId, requestId } = await submit("Talks");
    const job = await system.until(jobId);
    expect(job).toMatchObject({ state: "succeeded", requestId });
    expect((await api.get(`/v1/jobs/${jobId}`)).body).toMatchObject({ requestId });
    await expect.poll(() => ofJob(jobId).map(({ msg }) => msg)).toEqual(["attempt started", "attempt ended"]);
    for (const line of ofJob(jobId)) {
      const claimId = job.history[0]!.claimId;
      expect(line).toMatchObject({ service: "worker", instance: "worker-1", level: "info", version: "test" });
      expect(line).toMatchObject({ tenantName: tenant, batchId: job.batchId, jobId, claimId, requestId });
    }
  });

  it("has the caller's id beside ours, and answers it", async () => {
    const { jobId, requestId, headers } = await submit("Talks", "order:7/line");
    expect(headers.get("x-client-request-id")).toBeNull();
    const again = await api.post(
      "/v1/batches",
      { tenantName: tenant, batchName: "b" },
      { "content-type": "application/json", "x-client-request-id": CALLERS_ID },
    );
    expect(again.headers.get("x-client-request-id")).toBe(CALLERS_ID);
    const requestOf = (id: string | null) => parsed().filter((line) => line["requestId"] === id && line["method"]);
    await expect.poll(() => requestOf(again.headers.get("x-request-id"))).toHaveLength(1);
    expect(requestOf(again.headers.get("x-request-id"))[0]).toMatchObject({
      ...{ clientRequestId: CALLERS_ID, route: "/v1/batches", status: 201, caller: "local", msg: "request" },
    });
    await expect.poll(() => requestOf(requestId)).toHaveLength(1);
    expect(requestOf(requestId)[0]).toMatchObject({ route: "/v1/jobs", tenantName: tenant, jobId });
    expect(requestOf(requestId)[0]).not.toHaveProperty("clientRequestId");
    await system.until(jobId);
  });

  it("names the request also in the lines of a retry, and of an attempt that broke off", async () => {
    const { jobId, requestId } = await submit("FailsOnce");
    expect(await system.until(jobId)).toMatchObject({ state: "succeeded", executions: 2 });
    const told = ofJob(jobId);
    expect(told.map(({ msg }) => msg)).toContain("attempt broke off; leaving the message to its lock");
    expect(new Set(told.map((line) => line["requestId"]))).toEqual(new Set([requestId]));
    expect(new Set(told.map((line) => line["jobId"]))).toEqual(new Set([jobId]));
  });

  it("has no parameter, output, file, token, key or signature in any line", async () => {
    const { jobId } = await submit("Talks", mark("ClientRequest id"));
    await system.until(jobId);
    await api.get(`/v1/jobs/${jobId}/artifacts/${mark("FileName")}.txt`);
    await api.get(`/v1/jobs/${jobId}/log?secret=${mark("Query")}`);
    const failing = `${jobId.slice(0, -4)}0000`;
    const failed = await api.get(`/v1/jobs/${failing}`);
    expect(failed.status).toBe(500);
    const url = `https://hook.example/${mark("HookPath")}?token=${mark("HookQuery")}`;
    const hook = `/v1/tenants/${tenant}/webhooks/hook`;
    expect((await api.put(hook, { url })).status).toBe(201);
    await api.post(`${hook}/test`);
    await fetch(`${api.url}/hubs/jobs/negotiate?access_token=${mark("Hub")}`, { method: "POST" });
    await api.post("/v1/jobs", `{"tenantName": "${mark("Body")}`);

    const requestIds = (): unknown[] => parsed().map((line) => line["requestId"]);
    await expect.poll(requestIds).toContain(failed.headers.get("x-request-id"));
    // What would leak was there to leak.
    const said = parsed().map(({ msg }) => msg);
    expect(said).toEqual(expect.arrayContaining(["request failed", "attempt started", "request"]));
    expect(lines.filter((line) => line.includes("[redacted]")).length).toBeGreaterThanOrEqual(2);
    expect(lines.filter((line) => line.includes(MARK))).toEqual([]);
  });

  it("has the fields that docs/logs.md lists", async () => {
    const rows = rowsOf(sectionOf(await readDocument("logs.md"), "## Fields"));
    const listed = rows.map(([field = "", where = ""]) => ({ field: codesIn(field)[0] ?? field, where }));
    const everywhere = listed.filter(({ where }) => where === "every line").map(({ field }) => field);
    expect(everywhere).toContain("level");
    expect(parsed().flatMap((line) => everywhere.filter((field) => !(field in line)))).toEqual([]);
    const met = new Set(parsed().flatMap(Object.keys));
    // Of a span and of an outage: neither is in this test.
    const other = ["trace_id", "error"];
    expect(listed.map(({ field }) => field).filter((field) => !met.has(field))).toEqual(other);
  });
});
