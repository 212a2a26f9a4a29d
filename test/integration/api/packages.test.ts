/** Packages through the API: published, refused, looked back on, restored, deleted, and run by workers. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Answer } from "../../support/api/test-api.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { apiStores } from "../../support/stores/api-stores.ts";
import { startTestSystem, type TestSystem } from "../../support/test-system.ts";
import { buildZip } from "../../support/packages/zip-builder.ts";

let system: TestSystem;
beforeAll(async () => {
  const stores = await apiStores();
  system = await startTestSystem({ stores: () => stores });
});
afterAll(() => system[Symbol.asyncDispose]());

const hash = (zip: Uint8Array): string => createHash("sha256").update(zip).digest("hex");
/** A package whose job answers with this. */
const saying = (output: string): Buffer =>
  testPackage({ jobs: { Say: `return { output: ${JSON.stringify(output)} };` } });
const ONE = saying("one");
const TWO = saying("two");

const pathOf = (tenant: string, name = "test.zip"): string => `/v1/tenants/${tenant}/packages/${name}`;
const publish = (tenant: string, zip: Uint8Array, name?: string): Promise<Answer> =>
  system.api.put(pathOf(tenant, name), zip);
const get = (path: string): Promise<Answer> => system.api.get(path);
const versionsOf = async (tenant: string): Promise<readonly unknown[]> =>
  (await get(`${pathOf(tenant)}/versions`)).body.items;

describe("publishing a package", () => {
  it("a published package is listed with its facts", async () => {
    const tenant = freshTenant();
    expect((await get(pathOf(tenant))).status).toBe(404);
    const published = await publish(tenant, ONE);
    const view = {
      ...{ tenantName: tenant, packageName: "test.zip", bytes: ONE.length, sha256: hash(ONE), jobTypes: ["Say"] },
      ...{ uploadedAt: expect.any(String) as unknown, uploadedBy: "local" },
    };
    expect(published).toMatchObject({ status: 200, body: { ...view, timers: [] } });
    expect((await get(pathOf(tenant))).body).toEqual(view);
    expect((await get(`/v1/tenants/${tenant}/packages`)).body.items).toEqual([view]);
  });

  it("makes a new version of other bytes, newest first, and changes nothing for the same", async () => {
    const tenant = freshTenant();
    await publish(tenant, ONE);
    const two = await publish(tenant, TWO);
    expect(await publish(tenant, TWO)).toMatchObject({ status: 200, body: two.body });
    expect(await versionsOf(tenant)).toMatchObject([
      { sha256: hash(TWO), isCurrent: true },
      { sha256: hash(ONE), isCurrent: false },
    ]);
  });

  it(
    "repairs a package whose bytes were replaced, although its record says that it is there already",
    { tags: "attack/archives" },
    async () => {
      const tenant = freshTenant();
      await publish(tenant, ONE);
      const facts = { sha256: hash(ONE), uploadedBy: "local", jobTypes: ["Say"] };
      await system.api.packages.upload(tenant, "test.zip", TWO, facts);
      expect(await publish(tenant, ONE)).toMatchObject({ status: 200, body: { sha256: hash(ONE) } });
      expect(await system.api.packages.fetch(tenant, "test.zip", undefined)).toMatchObject({ bytes: ONE });
      expect(await versionsOf(tenant)).toHaveLength(1);
    },
  );

  const manifest = (entry: object): string =>
    JSON.stringify({ manifestVersion: 1, name: "p", platform: "any", jobs: [{ jobType: "Say", entry }] });
  const REFUSED: Readonly<Record<string, Buffer>> = {
    PackageCorrupt: ONE.subarray(0, -1),
    PackageUnsafe: buildZip([{ name: "../job.json", content: "{}" }]),
    PackageTooLarge: buildZip([{ name: "job.json", content: Buffer.alloc(2 * 1024 * 1024) }]),
    ManifestMissing: buildZip([{ name: "main.mjs", content: "" }]),
    ManifestInvalid: buildZip([{ name: "job.json", content: "{}" }]),
    EntryPointInvalid: buildZip([
      { name: "job.json", content: manifest({ kind: "module", file: "main.mjs", export: "Say" }) },
    ]),
  };

  it.each(Object.entries(REFUSED))(
    "is refused as %s, and what was there before stays",
    { tags: "attack/archives" },
    async (code, zip) => {
      const tenant = freshTenant();
      expect(await publish(tenant, zip)).toMatchObject({ status: 422, body: { error: { code } } });
      expect((await get(pathOf(tenant))).status).toBe(404);
      await publish(tenant, ONE);
      expect((await publish(tenant, zip)).status).toBe(422);
      expect((await get(pathOf(tenant))).body).toMatchObject({ sha256: hash(ONE) });
      expect(await versionsOf(tenant)).toHaveLength(1);
    },
  );

  it("is refused for every reason the document names", () => {
    const { responses } = system.api.contract.operations.find(({ operationId }) => operationId === "putPackage")!;
    expect(Object.keys(REFUSED).toSorted()).toEqual(responses["422"]?.["x-codes"]);
  });

  it("is refused without content, and under a name that no job can give", { tags: "attack/archives" }, async () => {
    const tenant = freshTenant();
    expect((await publish(tenant, Buffer.alloc(0))).body.error.code).toBe("PackageCorrupt");
    for (const name of ["test.txt", ".zip", "a%2Fb.zip", "%C3%A9.zip", `${"x".repeat(100)}.zip`]) {
      expect(await publish(tenant, ONE, name)).toMatchObject({
        status: 400,
        body: { error: { target: "packageName" } },
      });
    }
  });

  it("keeps every version of uploads at the same time, and answers each with its own", async () => {
    const tenant = freshTenant();
    const zips = ["a", "b", "c", "d"].map(saying);
    const answers = await Promise.all(zips.map((zip) => publish(tenant, zip)));
    expect(answers.map(({ body }) => (body as unknown as { sha256: string }).sha256)).toEqual(zips.map(hash));
    const kept = (await versionsOf(tenant)) as { sha256: string }[];
    expect(kept.map(({ sha256 }) => sha256).toSorted()).toEqual(zips.map(hash).toSorted());
  });
});

describe("older versions", () => {
  it("become the current one again, once each", async () => {
    const tenant = freshTenant();
    for (const zip of [ONE, TWO]) await publish(tenant, zip);
    const restore = (sha256: string): Promise<Answer> =>
      system.api.post(`${pathOf(tenant)}/versions/${sha256}/restore`);
    expect(await restore(hash(ONE))).toMatchObject({ status: 200, body: { sha256: hash(ONE), uploadedBy: "local" } });
    expect(await versionsOf(tenant)).toMatchObject([{ sha256: hash(ONE), isCurrent: true }, { sha256: hash(TWO) }]);
    expect((await restore(hash(ONE))).status).toBe(200);
    expect(await versionsOf(tenant)).toHaveLength(2);
    expect((await restore("0".repeat(64))).body.error.code).toBe("PackageVersionNotFound");
    expect((await restore("x")).status).toBe(400);
  });

  it("go with the package", async () => {
    const tenant = freshTenant();
    for (const zip of [ONE, TWO]) await publish(tenant, zip);
    expect((await system.api.delete(pathOf(tenant))).status).toBe(204);
    for (const path of [pathOf(tenant), `${pathOf(tenant)}/versions`]) {
      expect((await get(path)).body.error.code).toBe("PackageNotFound");
    }
    expect((await system.api.delete(pathOf(tenant))).status).toBe(404);
  });
});

describe("the list of packages", () => {
  it("comes in pages, and refuses tokens it did not give", async () => {
    const tenant = freshTenant();
    for (const name of ["c.zip", "a.zip", "b.zip"]) await publish(tenant, ONE, name);
    const names: string[] = [];
    let token = "";
    do {
      const { body } = await get(`/v1/tenants/${tenant}/packages?pageSize=2${token && `&continuationToken=${token}`}`);
      names.push(...(body.items as unknown as { packageName: string }[]).map(({ packageName }) => packageName));
      token = body.continuationToken ?? "";
    } while (token !== "");
    expect(names).toEqual(["a.zip", "b.zip", "c.zip"]);
    for (const forged of ["x", btoa("1:0:../other/a.zip"), btoa("1:7:a.zip")]) {
      expect(await get(`/v1/tenants/${tenant}/packages?continuationToken=${forged}`)).toMatchObject({
        status: 400,
        body: { error: { target: "continuationToken" } },
      });
    }
  });

  it("shows a package that came by other means without facts", async () => {
    const tenant = freshTenant();
    await system.api.packages.upload(tenant, "foreign.zip", ONE);
    const { body } = await get(`/v1/tenants/${tenant}/packages`);
    const uploadedAt: unknown = expect.any(String);
    expect(body.items).toEqual([{ tenantName: tenant, packageName: "foreign.zip", bytes: ONE.length, uploadedAt }]);
  });
});

describe("workers", () => {
  it(
    "run nothing of a package whose bytes were replaced, until it is published again",
    { tags: "attack/archives" },
    async () => {
      const tenant = freshTenant();
      await using worker = await system.startWorker();
      await publish(tenant, ONE);
      await system.api.packages.upload(tenant, "test.zip", TWO, {
        ...{ sha256: hash(ONE), uploadedBy: "local", jobTypes: ["Say"] },
      });
      const refused = await system.until(await system.submit(tenant, "Say"));
      expect(refused).toMatchObject({ state: "failed", failure: { code: "PackageCorrupt" } });
      await publish(tenant, ONE);
      expect(await system.until(await system.submit(tenant, "Say"))).toMatchObject({ output: '"one"' });
      await expect.poll(() => worker.runningCount).toBe(0);
    },
  );

  it("jobs run the version that is current when they start, also after a restore", async () => {
    const tenant = freshTenant();
    await using worker = await system.startWorker();
    const run = async () => {
      const { output, packageHash } = await system.until(await system.submit(tenant, "Say"));
      return { output, packageHash };
    };
    await publish(tenant, ONE);
    expect(await run()).toEqual({ output: '"one"', packageHash: hash(ONE) });
    await publish(tenant, TWO);
    expect(await run()).toEqual({ output: '"two"', packageHash: hash(TWO) });
    await system.api.post(`${pathOf(tenant)}/versions/${hash(ONE)}/restore`);
    expect(await run()).toEqual({ output: '"one"', packageHash: hash(ONE) });
    await system.api.delete(pathOf(tenant));
    const job = await system.until(await system.submit(tenant, "Say"));
    expect(job).toMatchObject({ state: "failed", failure: { code: "PackageNotFound" } });
    await expect.poll(() => worker.runningCount).toBe(0);
  });
});
