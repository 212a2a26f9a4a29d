/** Submits of jobs whose package has a schema of their parameters: wrong ones are refused by field, before there is a row. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { KNOWN_PACKAGE_FOR_MS } from "../../../runtime/core/limits.ts";
import type { JsonSchema } from "../../../runtime/core/package/json-schema.ts";
import { startApiWithQueue, type ApiWithQueue } from "../../support/api/api-with-queue.ts";
import { linesIn } from "../../support/api/submit-requests.ts";
import type { TestApi } from "../../support/api/test-api.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const SCHEMA: JsonSchema = {
  type: "object",
  properties: {
    image: { type: "string", minLength: 1 },
    sizes: { type: "array", items: { type: "integer", minimum: 16 } },
  },
  required: ["image"],
};
const WRONG = { sizes: [64, 7.5, 3] };

let world: ApiWithQueue;
let api: TestApi;
const reads = { get: 0, fetchVersion: 0 };
let now = 0;
let tenantName: string;

beforeAll(async () => {
  world = await startApiWithQueue();
  api = await world.another({
    monotonicNow: () => now,
    wrapPackages: (inner) => ({
      ...inner,
      get(...place) {
        reads.get++;
        return inner.get(...place);
      },
      fetchVersion(...version) {
        reads.fetchVersion++;
        return inner.fetchVersion(...version);
      },
    }),
  });
});
afterAll(() => world[Symbol.asyncDispose]());

beforeEach(async () => {
  tenantName = freshTenant();
  await publish({ Thumbnails: SCHEMA });
  Object.assign(reads, { get: 0, fetchVersion: 0 });
});

/** The text makes each version another one, also for other tests. */
const publish = (schemas: Readonly<Record<string, JsonSchema>>, packageName = "thumbnails.zip") =>
  api.put(
    `/v1/tenants/${tenantName}/packages/${packageName}`,
    testPackage({ jobs: { Thumbnails: `return {}; // ${tenantName}`, Plain: "return {};" }, schemas }),
  );
const request = (parameters: unknown, fields: object = {}) => ({
  ...{ tenantName, jobType: "Thumbnails", jobName: "cat", jobProcessorPackageName: "thumbnails.zip", parameters },
  ...fields,
});
const submit = (parameters: unknown, fields: object = {}, headers = {}) =>
  api.post("/v1/jobs", request(parameters, fields), { "content-type": "application/json", ...headers });

describe("a submit with parameters that do not fit the schema", () => {
  it("is refused with each wrong field, and leaves no row", async () => {
    const { status, body } = await submit(WRONG);
    expect([status, body.error.code, body.error.target]).toEqual([422, "ParametersInvalid", "parameters.image"]);
    expect((body.error as { details?: unknown }).details).toEqual([
      { target: "parameters.image", message: "is required" },
      { target: "parameters.sizes[1]", message: "must be a whole number" },
      { target: "parameters.sizes[2]", message: "must be at least 16" },
    ]);
    expect(body.error.message).toBe(
      "parameters.image is required; parameters.sizes[1] must be a whole number; parameters.sizes[2] must be at least 16",
    );
    const first = await submit({ image: "a.png" });
    expect(first.status).toBe(201);
    expect((await api.get(`/v1/batches/${first.body.batchId}`)).body.counts?.total).toBe(1);
  });

  it("is refused when it has no parameters", async () => {
    expect((await submit(undefined)).body.error.message).toBe("parameters must be an object");
  });

  it("is accepted for job types without a schema and with publishLater", async () => {
    expect((await submit(WRONG, { jobType: "Plain" })).status).toBe(201);
    expect((await submit(WRONG, { publishLater: true })).status).toBe(201);
  });

  it("takes no key, and a repeat of an accepted one is answered although the schema has changed", async () => {
    const key = { "idempotency-key": "once" };
    expect((await submit(WRONG, { clientJobId: "a" }, key)).status).toBe(422);
    const first = await submit({ image: "a.png" }, { clientJobId: "a" }, key);
    expect(first.status).toBe(201);
    await publish({ Thumbnails: { type: "object", required: ["year"] } });
    now += KNOWN_PACKAGE_FOR_MS;
    expect(await submit({ image: "a.png" }, { clientJobId: "a" }, key)).toMatchObject({
      status: 200,
      body: first.body,
    });
    expect((await submit({ image: "a.png" })).body.error.message).toBe("parameters.year is required");
  });

  it("is accepted as soon as a version that takes them is published or restored", async () => {
    expect((await submit(WRONG)).status).toBe(422);
    await publish({ Thumbnails: { type: "object" } });
    expect((await submit(WRONG)).status).toBe(201);
    const versions = await api.get(`/v1/tenants/${tenantName}/packages/thumbnails.zip/versions`);
    const { items } = versions.body as unknown as { items: readonly { sha256: string; isCurrent: boolean }[] };
    const older = items.find(({ isCurrent }) => !isCurrent);
    if (older === undefined) throw new Error("There is no older version.");
    await api.post(`/v1/tenants/${tenantName}/packages/thumbnails.zip/versions/${older.sha256}/restore`, {});
    now += KNOWN_PACKAGE_FOR_MS;
    expect((await submit(WRONG)).status).toBe(422);
  });
});

describe("many jobs", () => {
  it("are refused one by one, with the index in JSON and by place in lines", async () => {
    const jobs = [request({ image: "a.png" }), request(WRONG), request({ image: "" })];
    const { body } = await api.post("/v1/jobs/bulk", { jobs });
    expect(body.results).toMatchObject([
      { jobId: expect.any(String) as unknown },
      {
        error: {
          code: "ParametersInvalid",
          message: expect.stringContaining("jobs[1].parameters.image is required; jobs[1].") as unknown,
        },
      },
      { error: { message: "jobs[2].parameters.image must have at least 1 character" } },
    ]);
    const text = jobs.map((job) => JSON.stringify(job)).join("\n");
    const lines = await api.post("/v1/jobs/bulk", text, { "content-type": "application/x-ndjson" });
    expect(linesIn(lines.body as unknown as string)).toMatchObject([
      {},
      { error: { code: "ParametersInvalid" } },
      { error: { message: "parameters.image must have at least 1 character" } },
    ]);
  });

  it("read a version's schemas once, and those of a package without schemas never", async () => {
    const jobs = Array.from({ length: 200 }, () => request({ image: "a.png" }));
    await api.post("/v1/jobs/bulk", { jobs });
    await submit({ image: "b.png" });
    expect(reads).toEqual({ get: 1, fetchVersion: 1 });
    await publish({}, "plain.zip");
    Object.assign(reads, { get: 0, fetchVersion: 0 });
    await api.post("/v1/jobs/bulk", { jobs: jobs.map((job) => ({ ...job, jobProcessorPackageName: "plain.zip" })) });
    expect(reads).toEqual({ get: 1, fetchVersion: 0 });
  });
});

describe("a hostile schema", { tags: "attack/archives" }, () => {
  it.each<[string, JsonSchema, unknown]>([
    ["refers to itself", { $ref: "#" }, { a: 1 }],
    ["refers in a circle", { $ref: "#/$defs/a", $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } } }, 1],
    ["doubles its work at each level", doubling(30), "x"],
    ["has a pattern that backtracks", { type: "string", pattern: "^(a+)+$" }, `${"a".repeat(50_000)}!`],
    ["refers to another machine", { $ref: "http://169.254.169.254/latest" }, 1],
    [
      "has keywords of wrong types",
      { type: 7, required: "a", properties: [1], items: 3, enum: {}, anyOf: "x", minimum: "1" },
      {},
    ],
  ])("costs nothing and refuses nothing when it %s", async (_, schema, parameters) => {
    expect((await publish({ Thumbnails: schema })).status).toBe(200);
    const begun = performance.now();
    expect((await submit(parameters)).status).toBe(201);
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  it.each<[string, JsonSchema, string]>([
    [
      "too large",
      { enum: Array.from({ length: 9_000 }, (_, n) => `name-${n}`) },
      "expected a JSON Schema of at most 32768 bytes",
    ],
    ["too deep", nested(50), "expected at most 48 levels"],
    ["no object", true as unknown as JsonSchema, "expected a JSON Schema, an object"],
  ])("is refused at publishing when it is %s", async (_, schema, message) => {
    const { status, body } = await publish({ Thumbnails: schema });
    expect([status, body.error.code]).toEqual([422, "ManifestInvalid"]);
    expect(body.error.message).toContain(`jobs[0].parameters: ${message}`);
  });
});

/** Each of its levels asks the next one twice. */
function doubling(levels: number): JsonSchema {
  const names = Array.from({ length: levels }, (_, n) => n);
  const twice = (n: number) => [{ $ref: `#/$defs/${n}` }, { $ref: `#/$defs/${n}` }];
  return {
    allOf: twice(0),
    $defs: Object.fromEntries(names.map((n) => [n, n + 1 < levels ? { allOf: twice(n + 1) } : {}])),
  };
}

const nested = (levels: number): JsonSchema => (levels === 0 ? {} : { items: nested(levels - 1) });
