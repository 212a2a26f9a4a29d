import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import { SUBMIT_LINE_MAX_BYTES, SUBMIT_MAX_JOBS } from "../../../runtime/core/limits.ts";
import type { JobStore } from "../../../runtime/core/ports/job-store.ts";
import { startApiWithQueue, type ApiWithQueue } from "../../support/api/api-with-queue.ts";
import { type AnswerLine, jobRequestOf, linesIn, openSubmitStream } from "../../support/api/submit-requests.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

let world: ApiWithQueue;
beforeAll(async () => {
  world = await startApiWithQueue();
});
afterAll(() => world[Symbol.asyncDispose]());

const LINES = { "content-type": "application/x-ndjson" };

async function newBatch(tenantName: string, large = false): Promise<string> {
  return (await world.api.post("/v1/batches", { tenantName, batchName: "Stream", large })).body.batchId;
}

const countIn = async (batchId: string) => (await world.api.get(`/v1/batches/${batchId}`)).body.counts?.total;

const jobsOf = (tenant: string, count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => jobRequestOf(tenant, { parameters: from + i }));

async function postLines(text: string, query = "", headers = {}): Promise<readonly AnswerLine[]> {
  const answer = await world.api.post(`/v1/jobs/bulk${query}`, text, { ...LINES, ...headers });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toContain("application/x-ndjson");
  return linesIn(answer.body as unknown as string);
}

const idOf = (line: AnswerLine | undefined): string => (line !== undefined && "jobId" in line ? line.jobId : "");

describe("jobs as lines", () => {
  it("are answered in order, each judged alone, blank lines ignored", async () => {
    const tenant = freshTenant();
    const batchId = await newBatch(tenant);
    const good = JSON.stringify(jobRequestOf(tenant));
    const text = [
      good,
      "",
      " \t\r",
      "{not json",
      JSON.stringify({ ...jobRequestOf(tenant), jobType: "" }),
      `{"tenantName":"${tenant}","parameters":[{"__proto__":1}]}`,
      "x".repeat(SUBMIT_LINE_MAX_BYTES + 1),
      JSON.stringify(jobRequestOf("other")),
      "7",
      `${good}\r`,
      good,
    ].join("\n");
    const answer = await postLines(text, `?batchId=${batchId}`);
    expect(answer).toMatchObject([
      { batchId },
      { error: { code: "InvalidRequest", message: expect.stringContaining("not JSON") as unknown } },
      { error: { code: "InvalidRequest", message: expect.stringContaining("jobType") as unknown } },
      { error: { code: "InvalidRequest", message: expect.stringContaining("__proto__") as unknown } },
      {
        error: { code: "PayloadTooLarge", message: expect.stringContaining(String(SUBMIT_LINE_MAX_BYTES)) as unknown },
      },
      { error: { code: "InvalidRequest", message: expect.stringContaining("tenantName") as unknown } },
      { error: { code: "InvalidRequest" } },
      { batchId },
      { batchId },
    ]);
    expect(await countIn(batchId)).toBe(3);
    for (const id of answer.map(idOf).filter((one) => one !== "")) {
      expect(await world.bellIdsOf(id)).toEqual([`${id}:1`]);
    }
  });

  it("are answered while the request is still being sent", async () => {
    const tenant = freshTenant();
    const stream = openSubmitStream(world.api.url);
    await stream.send(jobsOf(tenant, 1));
    const answers = createInterface({ input: await stream.response })[Symbol.asyncIterator]();
    const first = JSON.parse((await answers.next()).value as string) as AnswerLine;
    expect((await world.api.get(`/v1/jobs/${idOf(first)}`)).body.state).toBe("queued");
    await stream.send(jobsOf(tenant, 1, 1));
    const second = JSON.parse((await answers.next()).value as string) as AnswerLine;
    expect(idOf(second)).not.toBe(idOf(first));
    stream.request.end();
    expect((await answers.next()).done).toBe(true);
  });

  it("into no batch of the caller's are refused before any is read", async () => {
    const answer = await world.api.post("/v1/jobs/bulk?batchId=acme.0000000000aaaaaaaa", "{}\n", LINES);
    expect(answer).toMatchObject({ status: 404, body: { error: { code: "BatchNotFound" } } });
    const malformed = await world.api.post("/v1/jobs/bulk?batchId=x", "{}\n", LINES);
    expect(malformed).toMatchObject({ status: 400, body: { error: { target: "batchId" } } });
  });

  it("end with a last line when storage fails in the middle, and a repeat completes them", async () => {
    const tenant = freshTenant();
    const batchId = await newBatch(tenant);
    let left = 40;
    const broken = await world.another({
      wrapJobs: (inner: JobStore): JobStore => ({
        ...inner,
        insert: (job) =>
          left-- > 0 ? inner.insert(job) : Promise.reject(new UnavailableError("StorageUnavailable", "away")),
      }),
    });
    const stream = openSubmitStream(broken.url, `?batchId=${batchId}`, { "idempotency-key": "k" });
    await stream.send(jobsOf(tenant, 100));
    const answer = await stream.finish();
    const last = answer.at(-1)!;
    expect(last).toMatchObject({
      error: { code: "StorageUnavailable", retryable: true, requestId: expect.any(String) as unknown },
    });
    const answered = answer.slice(0, -1).map(idOf);
    expect(answered).toHaveLength(40);
    expect(await countIn(batchId)).toBe(40);

    const text = jobsOf(tenant, 100)
      .map((job) => JSON.stringify(job))
      .join("\n");
    const again = await postLines(text, `?batchId=${batchId}`, { "idempotency-key": "k" });
    expect(again.slice(0, 40).map(idOf)).toEqual(answered);
    expect(new Set(again.map(idOf)).size).toBe(100);
    expect(await countIn(batchId)).toBe(100);
  });

  it("are each there exactly once after the connection was cut in the middle and the request repeated", async () => {
    const tenant = freshTenant();
    const batchId = await newBatch(tenant, true);
    const jobs = jobsOf(tenant, 600);
    const headers = { "idempotency-key": "cut" };
    const stream = openSubmitStream(world.api.url, `?batchId=${batchId}`, headers);
    stream.request.on("error", () => undefined);
    await stream.send(jobs.slice(0, 300));
    const response = await stream.response;
    await once(response, "data");
    // In the middle of a line, too.
    stream.request.write(JSON.stringify(jobs[300]).slice(0, 40));
    stream.request.destroy();

    const repeats = Array.from({ length: 2 }, async () => {
      const again = openSubmitStream(world.api.url, `?batchId=${batchId}`, headers);
      await again.send(jobs);
      return again.finish();
    });
    const [one, other] = await Promise.all(repeats);
    expect(one!.map(idOf)).toEqual(other!.map(idOf));
    expect(new Set(one!.map(idOf)).size).toBe(600);
    expect(await countIn(batchId)).toBe(600);
    const bells = (await world.bells()).map(({ messageId }) => messageId).filter((id) => id.startsWith(batchId));
    expect(bells.toSorted()).toEqual(one!.map((line) => `${idOf(line)}:1`).toSorted());
  });

  it("may be ten thousand", async () => {
    const tenant = freshTenant();
    const batchId = await newBatch(tenant, true);
    const stream = openSubmitStream(world.api.url, `?batchId=${batchId}`);
    const ids = new Set<string>();
    const reading = stream.response.then(async (response) => {
      for await (const line of createInterface({ input: response })) ids.add(idOf(JSON.parse(line) as AnswerLine));
    });
    for (let sent = 0; sent < SUBMIT_MAX_JOBS; sent += 100) await stream.send(jobsOf(tenant, 100, sent));
    stream.request.end();
    await reading;
    expect(ids.size).toBe(SUBMIT_MAX_JOBS);
    expect(await countIn(batchId)).toBe(SUBMIT_MAX_JOBS);
  });

  it("are refused from one too many on", async () => {
    const text = "{}\n".repeat(SUBMIT_MAX_JOBS + 700);
    const answer = await postLines(text);
    expect(answer).toHaveLength(SUBMIT_MAX_JOBS + 1);
    expect(answer.at(-1)).toMatchObject({
      error: { code: "PayloadTooLarge", retryable: false, message: expect.stringContaining("10000") as unknown },
    });
  });
});
