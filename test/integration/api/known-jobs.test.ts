/** Submits that name a package or job type that is not there: refused with what was probably meant, at little cost. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { LOCAL_CALLER } from "../../../runtime/api/auth/caller.ts";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import { KNOWN_PACKAGE_FOR_MS, KNOWN_PACKAGES_MAX_COUNT } from "../../../runtime/core/limits.ts";
import { startApiWithQueue, type ApiWithQueue } from "../../support/api/api-with-queue.ts";
import { linesIn } from "../../support/api/submit-requests.ts";
import type { TestApi } from "../../support/api/test-api.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

let world: ApiWithQueue;
let api: TestApi;
const reads = { get: 0, list: 0 };
let isAway = false;
let pendingPackage: string | undefined;
let now = 0;

beforeAll(async () => {
  world = await startApiWithQueue();
  api = await world.another({
    monotonicNow: () => now,
    isReleasePending: (_tenantName, packageName) => packageName === pendingPackage,
    wrapPackages: (inner) => ({
      ...inner,
      get(...place) {
        reads.get++;
        return isAway ? Promise.reject(new UnavailableError("StorageUnavailable", "away")) : inner.get(...place);
      },
      list(...request) {
        reads.list++;
        return inner.list(...request);
      },
    }),
  });
});
afterAll(() => world[Symbol.asyncDispose]());

let tenantName: string;
beforeEach(async () => {
  tenantName = freshTenant();
  await publish("echo.zip", ["Echo", "Count"]);
  isAway = false;
  pendingPackage = undefined;
  Object.assign(reads, { get: 0, list: 0 });
});

const publish = (packageName: string, jobTypes: readonly string[]) =>
  api.put(
    `/v1/tenants/${tenantName}/packages/${packageName}`,
    testPackage({ jobs: Object.fromEntries(jobTypes.map((jobType) => [jobType, "return {};"])) }),
  );
const request = (fields: object = {}) => ({
  ...{ tenantName, jobType: "Echo", jobName: "hello", jobProcessorPackageName: "echo.zip" },
  ...fields,
});
const submit = (fields: object = {}, headers = {}) =>
  api.post("/v1/jobs", request(fields), { "content-type": "application/json", ...headers });
const errorOf = async (fields: object = {}) => {
  const { status, body } = await submit(fields);
  return { status, ...body.error };
};
const submitLines = async (jobs: readonly object[]) => {
  const text = jobs.map((job) => JSON.stringify(job)).join("\n");
  const { body } = await api.post("/v1/jobs/bulk", text, { "content-type": "application/x-ndjson" });
  return linesIn(body as unknown as string);
};

describe("a submit", () => {
  it("of a job type the package does not have is refused, with the one that was meant or all it has", async () => {
    expect(await errorOf({ jobType: "Ehco" })).toMatchObject({
      ...{ status: 422, code: "JobTypeUnknown" },
      message: expect.stringContaining('no job of type "Ehco". Did you mean "Echo"?') as unknown,
    });
    expect((await errorOf({ jobType: "Invoices" })).message).toContain("It has Echo, Count.");
    const { batchId } = (await submit()).body;
    expect((await api.get(`/v1/batches/${batchId}`)).body.counts?.total).toBe(1);
  });

  it("of a package that is not there is refused, with the one that was meant", async () => {
    expect(await errorOf({ jobProcessorPackageName: "ecko.zip" })).toMatchObject({
      ...{ status: 404, code: "PackageNotFound" },
      message: expect.stringContaining('There is no package ecko.zip. Did you mean "echo.zip"?') as unknown,
    });
    expect((await errorOf({ jobProcessorPackageName: "invoices.zip" })).message).not.toContain("mean");
  });

  it("does not reveal a tenant's packages to callers of other tenants", async () => {
    const own = freshTenant();
    const caller = { ...LOCAL_CALLER, mayUse: (name: string) => name === own, tenants: () => [own] };
    const other = await world.another({ caller });
    const refused = await other.post("/v1/jobs", request({ jobProcessorPackageName: "ecko.zip" }));
    expect(refused).toMatchObject({ status: 404, body: { error: { code: "BatchNotFound" } } });
  });

  it("takes no key when it is refused, and is answered again although the package has gone", async () => {
    const key = { "idempotency-key": "once" };
    expect((await submit({ jobType: "Ehco", clientJobId: "order-7" }, key)).status).toBe(422);
    const first = await submit({ clientJobId: "order-7" }, key);
    expect(first.status).toBe(201);
    await api.delete(`/v1/tenants/${tenantName}/packages/echo.zip`);
    now += KNOWN_PACKAGE_FOR_MS;
    expect(await submit({ clientJobId: "order-7" }, key)).toMatchObject({ status: 200, body: first.body });
    expect((await submit()).status).toBe(404);
  });

  it("is accepted unseen when its package is published later", async () => {
    expect((await submit({ jobProcessorPackageName: "new.zip", publishLater: true })).status).toBe(201);
    expect((await submit({ jobType: "New", publishLater: true })).status).toBe(201);
    expect(reads).toEqual({ get: 0, list: 0 });
  });

  it("is accepted when the job types of its package are not known", async () => {
    await api.packages.upload(tenantName, "by-hand.zip", Buffer.from("zip"));
    expect((await submit({ jobProcessorPackageName: "by-hand.zip", jobType: "Any" })).status).toBe(201);
  });

  it("is accepted as soon as its package has been published, by whichever API", async () => {
    expect((await submit({ jobProcessorPackageName: "new.zip" })).status).toBe(404);
    await api.packages.upload(tenantName, "new.zip", Buffer.from("zip"));
    expect((await submit({ jobProcessorPackageName: "new.zip" })).status).toBe(201);
    expect((await submit({ jobType: "Later" })).status).toBe(422);
    await publish("echo.zip", ["Echo", "Later"]);
    expect((await submit({ jobType: "Later" })).status).toBe(201);
  });

  it("a submit before the release is published answers 503 with Retry-After", async () => {
    pendingPackage = "released.zip";
    const { status, headers, body } = await submit({ jobProcessorPackageName: "released.zip" });
    expect([status, headers.get("retry-after"), body.error.code]).toEqual([503, "10", "StorageUnavailable"]);
    expect(await submitLines([request(), request({ jobProcessorPackageName: "released.zip" })])).toMatchObject([
      { jobId: expect.any(String) as unknown },
      { error: { code: "StorageUnavailable", retryable: true } },
    ]);
    pendingPackage = "echo.zip";
    expect((await submit()).status).toBe(201);
    expect((await submit({ jobType: "Newer" })).status).toBe(503);
  });
});

describe("many jobs", () => {
  it("are refused one by one, in their places", async () => {
    const jobs = [
      request(),
      request({ jobType: "Ehco" }),
      request({ jobProcessorPackageName: "ecko.zip" }),
      request({ jobType: "Count" }),
    ];
    const { body } = await api.post("/v1/jobs/bulk", { jobs });
    const expected = [
      { jobId: expect.any(String) as unknown },
      { error: { code: "JobTypeUnknown", message: expect.stringContaining('"Echo"?') as unknown } },
      { error: { code: "PackageNotFound", message: expect.stringContaining('"echo.zip"?') as unknown } },
      { jobId: expect.any(String) as unknown },
    ];
    expect(body.results).toMatchObject(expected);
    expect(await submitLines(jobs)).toMatchObject(expected);
  });

  it("cost one read of their package", async () => {
    const lines = await submitLines(Array.from({ length: 10_000 }, () => request()));
    expect(lines.filter((line) => "jobId" in line)).toHaveLength(10_000);
    expect(reads).toEqual({ get: 1, list: 0 });
    await submit();
    expect(reads.get).toBe(1);
    now += KNOWN_PACKAGE_FOR_MS;
    await Promise.all([submit(), submit(), submit()]);
    expect(reads.get).toBe(2);
  });

  it("cost one read of each package and one list when all of them are wrong", async () => {
    const jobs = Array.from({ length: 1_500 }, (_, i) => request({ jobProcessorPackageName: `no-${i % 3}.zip` }));
    const { body } = await api.post("/v1/jobs/bulk", { jobs });
    expect(body.results.filter(({ error }) => error?.code === "PackageNotFound")).toHaveLength(1_500);
    expect(reads).toEqual({ get: 3, list: 1 });
  });

  it("of more packages than are kept in mind are judged all the same", async () => {
    const jobs = Array.from({ length: KNOWN_PACKAGES_MAX_COUNT + 1 }, (_, i) =>
      request({ jobProcessorPackageName: `no-${i}.zip` }),
    );
    const { body } = await api.post("/v1/jobs/bulk", { jobs });
    expect(body.results.filter(({ error }) => error?.code === "PackageNotFound")).toHaveLength(jobs.length);
  });
});

it("answers 503 while the catalog is away, and forgets that at once", async () => {
  isAway = true;
  expect((await submit()).status).toBe(503);
  isAway = false;
  expect((await submit()).status).toBe(201);
  // What is kept still accepts.
  isAway = true;
  expect((await submit()).status).toBe(201);
  expect((await submit({ jobType: "Ehco" })).status).toBe(503);
});
