import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApiWithQueue, type ApiWithQueue } from "../../support/api/api-with-queue.ts";
import { jobRequestOf } from "../../support/api/submit-requests.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

let world: ApiWithQueue;
beforeAll(async () => {
  world = await startApiWithQueue();
});
afterAll(() => world[Symbol.asyncDispose]());

const JSON_TYPE = "application/json";

async function send(path: string, body: Uint8Array | string, contentType = JSON_TYPE, headers = {}) {
  const answer = await fetch(`${world.api.url}${path}`, {
    method: "POST",
    headers: { "content-type": contentType, ...headers },
    body: Buffer.from(body as string),
  });
  return { status: answer.status, text: await answer.text() };
}

/** The text of a job's request, with parameters as they are written. */
const job = (parameters: string, tenantName = freshTenant()): string =>
  JSON.stringify(jobRequestOf(tenantName, { parameters: 0 })).replace('"parameters":0', `"parameters":${parameters}`);

const refused = (target: string, message: string) => ({
  error: {
    code: "InvalidRequest",
    target,
    message: `${target}: ${message}`,
    details: [{ target, message }],
  },
});

const UNCHANGED = "9223372036854775807 would arrive as 9223372036854776000; send it as text";

describe("a number in a body that would change", () => {
  it("is refused by its field, so that two requests that differ in it are no repeat", async () => {
    const headers = { "idempotency-key": "numbers" };
    const tenant = freshTenant();
    const first = await send("/v1/jobs", job('{"n":9223372036854775807,"m":1e400}', tenant), JSON_TYPE, headers);
    expect(first.status).toBe(400);
    expect(JSON.parse(first.text)).toMatchObject({
      error: {
        details: [
          { target: "parameters.n", message: UNCHANGED },
          { target: "parameters.m", message: "1e400 would arrive as null; send it as text" },
        ],
      },
    });
    const second = await send("/v1/jobs", job('{"n":"9223372036854775807"}', tenant), JSON_TYPE, headers);
    expect(second.status).toBe(201);
  });

  it("is refused in other fields and operations, too", async () => {
    const { text } = await send("/v1/batches", '{"tenantName":"a","batchName":"b","large":1e999}');
    expect(JSON.parse(text)).toMatchObject(refused("large", "1e999 would arrive as null; send it as text"));
  });

  it("concerns its own job among many", async () => {
    const tenant = freshTenant();
    const jobs = [job("1", tenant), job('{"n":9223372036854775807}', tenant), job('"1e400"', tenant)];
    const body = await send("/v1/jobs/bulk", `{"jobs":[${jobs.join(",")}]}`);
    expect(body.status).toBe(200);
    const { results } = JSON.parse(body.text) as { results: readonly object[] };
    expect(results).toMatchObject([
      { jobId: expect.any(String) as unknown },
      { error: { code: "InvalidRequest", message: `jobs[1].parameters.n: ${UNCHANGED}` } },
      { jobId: expect.any(String) as unknown },
    ]);
  });

  it("an invalid number outside the jobs fails the whole request", async () => {
    for (const body of [`{"jobs":[${job("1")}],"batchId":1e999}`, '{"jobs[0]":1e999}', '{"jobs":1e999}'])
      expect((await send("/v1/jobs/bulk", body)).status, body).toBe(400);
  });

  it("is refused in its line", async () => {
    const tenant = freshTenant();
    const lines = `${job("9223372036854775807", tenant)}\n${job("1", tenant)}\n`;
    const [first, second] = (await send("/v1/jobs/bulk", lines, "application/x-ndjson")).text.trim().split("\n");
    expect(JSON.parse(first!)).toMatchObject({ error: { message: `parameters: ${UNCHANGED}` } });
    expect(JSON.parse(second!)).toHaveProperty("jobId");
  });
});

describe("the bytes of a body", () => {
  it.each([
    ["Latin-1", Buffer.from(job('"für"'), "latin1"), "is not UTF-8; save it as UTF-8"],
    ["UTF-16", Buffer.from(`\ufeff${job("1")}`, "utf16le"), "is UTF-16; save it as UTF-8"],
    ["UTF-16 without a mark", Buffer.from(job("1"), "utf16le"), "is UTF-16; save it as UTF-8"],
  ])("are refused as %s", async (_, bytes, message) => {
    const { status, text } = await send("/v1/jobs", bytes);
    expect(status).toBe(400);
    expect(JSON.parse(text)).toMatchObject(refused("body", message));
    const line = await send("/v1/jobs/bulk", Buffer.concat([bytes, Buffer.from("\n")]), "application/x-ndjson");
    expect(JSON.parse(line.text.split("\n")[0]!)).toMatchObject({ error: { message: `line: ${message}` } });
  });

  it("may begin with a byte order mark", async () => {
    const { status, text } = await send("/v1/jobs", `\ufeff${job('"für"')}`);
    expect(status).toBe(201);
    const { jobId } = JSON.parse(text) as { jobId: string };
    expect((await world.api.get(`/v1/jobs/${jobId}`)).body).toMatchObject({ parameters: "für" });
    const line = await send("/v1/jobs/bulk", `\ufeff${job("1")}`, "application/x-ndjson");
    expect(JSON.parse(line.text)).toHaveProperty("jobId");
  });

  it("are not taken for another encoding because a header says so", async () => {
    for (const charset of ["utf-16", "latin1", '"iso-8859-1"'])
      expect((await send("/v1/jobs", job("1"), `${JSON_TYPE}; charset=${charset}`)).status, charset).toBe(415);
    for (const charset of ["utf-8", '"UTF-8"', "utf8"])
      expect((await send("/v1/jobs", job("1"), `${JSON_TYPE}; charset=${charset}`)).status, charset).toBe(201);
  });

  it("that are none, sent as a body of unknown length, are no body", async () => {
    const answer = await fetch(`${world.api.url}/v1/jobs`, {
      method: "POST",
      headers: { "content-type": JSON_TYPE },
      body: new ReadableStream({ start: (controller) => controller.close() }),
      duplex: "half",
    });
    expect(await answer.json()).toMatchObject({ error: { target: "body" } });
  });
});

describe("a field that is not known", () => {
  it("is named, with the one that may have been meant", async () => {
    const wrong = job("1").replace('"parameters"', '"retry":{"maxAttempt":1},"timeoutMS":5000,"parameters"');
    const { status, text } = await send("/v1/jobs", wrong);
    expect(status).toBe(400);
    expect(JSON.parse(text)).toMatchObject({
      error: {
        details: [
          {
            target: "retry",
            message: 'must have known fields only, not "maxAttempt" (did you mean "maxAttempts"?)',
          },
          { target: "body", message: 'must have known fields only, not "timeoutMS" (did you mean "timeoutMs"?)' },
        ],
      },
    });
    const query = await world.api.get("/v1/batches?tenantname=acme");
    expect(query.body).toMatchObject({
      error: {
        details: expect.arrayContaining([
          { target: "body", message: 'must have known fields only, not "tenantname" (did you mean "tenantName"?)' },
        ]) as unknown,
      },
    });
  });
});
