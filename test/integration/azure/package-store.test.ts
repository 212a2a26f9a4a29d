/** Packages as blobs: what stays of an upload, in which order, and that nobody's version is lost. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createPackageStore } from "../../../runtime/azure/index.ts";
import { PACKAGE_VERSIONS_KEPT } from "../../../runtime/core/limits.ts";
import type { StoredPackage } from "../../../runtime/core/ports/package-store.ts";
import { CONTAINERS } from "../../../runtime/core/topology.ts";
import { startStorageProxy, type Fate } from "../../support/storage-proxy.ts";
import { freshTenant, testStorage } from "../../support/test-storage.ts";

const storage = testStorage();
const store = createPackageStore({ storage });
const container = storage.blobs.getContainerClient(CONTAINERS.packages);

const hash = (content: string): string => createHash("sha256").update(content).digest("hex");
const upload = (tenant: string, name: string, content: string, to = store): Promise<Date> =>
  to.upload(tenant, name, Buffer.from(content), { sha256: hash(content), jobTypes: ["Echo"], uploadedBy: "Ada Ünal" });
/** By other means than this store. */
const put = (tenant: string, name: string, content: string) =>
  container.getBlockBlobClient(`${tenant}/${name}`).upload(content, content.length);
const versionsOf = async (tenant: string, name = "a.zip") =>
  (await store.versions(tenant, name)).map(({ sha256, isCurrent }) => ({ sha256, isCurrent }));
const contentOf = async (tenant: string, name = "a.zip"): Promise<string> => {
  const fetched = await store.fetch(tenant, name, undefined);
  if (fetched === undefined || fetched === "unchanged") throw new Error("There is none.");
  return Buffer.from(fetched.bytes).toString();
};
/** Newest first, the first of them current. */
const versions = (...contents: readonly string[]) =>
  contents.map((content, i) => ({ sha256: hash(content), isCurrent: i === 0 }));

describe("versions of a package", () => {
  it("are all kept, newest first, also when they come within one second", async () => {
    const tenant = freshTenant();
    for (const content of ["one", "two", "three", "four"]) await upload(tenant, "a.zip", content);
    expect(await versionsOf(tenant)).toEqual(versions("four", "three", "two", "one"));
    expect(await contentOf(tenant)).toBe("four");
  });

  it("are shown once each, as the newer of equal ones", async () => {
    const tenant = freshTenant();
    for (const content of ["one", "two", "one", "three", "two"]) await upload(tenant, "a.zip", content);
    expect(await versionsOf(tenant)).toEqual(versions("two", "three", "one"));
  });

  it("survive uploads at the same time, all of them", async () => {
    const tenant = freshTenant();
    const contents = Array.from({ length: 6 }, (_, i) => `version ${i}`);
    await Promise.all(contents.map((content) => upload(tenant, "a.zip", content, createPackageStore({ storage }))));
    const kept = await versionsOf(tenant);
    expect(kept.map(({ sha256 }) => sha256).toSorted()).toEqual(contents.map(hash).toSorted());
    expect(kept[0]).toEqual({ sha256: hash(await contentOf(tenant)), isCurrent: true });
  });

  it("go, the oldest first, when there are more than are kept", async () => {
    const tenant = freshTenant();
    const contents = Array.from({ length: PACKAGE_VERSIONS_KEPT + 3 }, (_, i) => `version ${i}`);
    for (const content of contents) await upload(tenant, "a.zip", content);
    expect(await versionsOf(tenant)).toEqual(versions(...contents.toReversed().slice(0, PACKAGE_VERSIONS_KEPT + 1)));
  });

  it("are kept once although the answer to an upload is lost", async () => {
    await using network = await startStorageProxy();
    const tenant = freshTenant();
    await upload(tenant, "a.zip", "one");
    const fates: Fate[] = ["lose"];
    network.decide = ({ method, url }) =>
      method === "PUT" && url.includes("a.zip") && !url.includes("comp=snapshot") ? (fates.shift() ?? "pass") : "pass";
    const unlucky = createPackageStore({ storage: testStorage(network.connectionString) });
    await upload(tenant, "a.zip", "two", unlucky);
    expect(fates).toEqual([]);
    expect(await versionsOf(tenant)).toEqual(versions("two", "one"));
  });

  it("are restored with their facts, by whoever did it", async () => {
    const tenant = freshTenant();
    for (const content of ["one", "two", "one", "three"]) await upload(tenant, "a.zip", content);
    expect(await store.restore(tenant, "a.zip", hash("one"), "Grace")).toBe(true);
    expect(await contentOf(tenant)).toBe("one");
    expect(await store.get(tenant, "a.zip")).toMatchObject({ uploadedBy: "Grace", jobTypes: ["Echo"] });
    expect(await versionsOf(tenant)).toEqual(versions("one", "three", "two"));
  });

  it("stay as they are when the current one is restored, and when there is no such version", async () => {
    const tenant = freshTenant();
    for (const content of ["one", "two", "one"]) await upload(tenant, "a.zip", content);
    const before = await container.getBlobClient(`${tenant}/a.zip`).getProperties();
    expect(await store.restore(tenant, "a.zip", hash("one"), "Grace")).toBe(true);
    expect(await store.restore(tenant, "a.zip", hash("none"), "Grace")).toBe(false);
    expect(await store.restore(tenant, "none.zip", hash("one"), "Grace")).toBe(false);
    const after = await container.getBlobClient(`${tenant}/a.zip`).getProperties();
    expect(after.etag).toBe(before.etag);
  });

  it("keep what nobody knows unknown over a restore", async () => {
    const tenant = freshTenant();
    const jobTypes = Array.from({ length: 1_000 }, (_, i) => `JobTypeNumber${i}`);
    await store.upload(tenant, "a.zip", Buffer.from("one"), { sha256: hash("one"), jobTypes, uploadedBy: "Ada" });
    await upload(tenant, "a.zip", "two");
    await store.restore(tenant, "a.zip", hash("one"), "Grace");
    expect(await store.get(tenant, "a.zip")).not.toHaveProperty("jobTypes");
  });

  it("go with the package", async () => {
    const tenant = freshTenant();
    for (const content of ["one", "two"]) await upload(tenant, "a.zip", content);
    expect(await store.remove(tenant, "a.zip")).toBe(true);
    expect(await store.remove(tenant, "a.zip")).toBe(false);
    expect(await versionsOf(tenant)).toEqual([]);
    expect(await store.get(tenant, "a.zip")).toBeUndefined();
    await upload(tenant, "a.zip", "three");
    expect(await versionsOf(tenant)).toEqual(versions("three"));
  });
});

describe("names of packages", () => {
  it("are exact: one that begins with another is another package", async () => {
    const tenant = freshTenant();
    for (const name of ["a.zip", "a.zip.zip", "a.zip-2.zip"]) {
      await upload(tenant, name, `${name} one`);
      await upload(tenant, name, `${name} two`);
    }
    expect(await versionsOf(tenant)).toEqual(versions("a.zip two", "a.zip one"));
    await store.remove(tenant, "a.zip");
    expect(await versionsOf(tenant, "a.zip.zip")).toHaveLength(2);
    expect((await store.list(tenant, { pageSize: 10 })).items.map(({ packageName }) => packageName)).toEqual([
      "a.zip-2.zip",
      "a.zip.zip",
    ]);
  });

  it("of one tenant are no other's, also where tenant names begin alike", async () => {
    const tenant = freshTenant();
    await upload(tenant, "a.zip", "one");
    expect((await store.list(tenant.slice(0, -1), { pageSize: 10 })).items).toEqual([]);
    expect(await store.get(tenant.slice(0, -1), "a.zip")).toBeUndefined();
  });
});

describe("a list of packages", () => {
  async function allOf(tenant: string, pageSize: number): Promise<StoredPackage[]> {
    const items: StoredPackage[] = [];
    let continuationToken: string | undefined;
    do {
      const page = await store.list(tenant, { pageSize, continuationToken });
      expect(page.items.length).toBeLessThanOrEqual(pageSize);
      items.push(...page.items);
      ({ continuationToken } = page);
    } while (continuationToken !== undefined);
    return items;
  }

  it("has each once, by name, whatever the page size, and no older versions", async () => {
    const tenant = freshTenant();
    const names = ["b.zip", "a.zip", "B.zip", "a-1.zip", "c.zip"];
    for (const name of names) for (const content of ["one", "two"]) await upload(tenant, name, content);
    for (const pageSize of [1, 2, 5, 10]) {
      expect((await allOf(tenant, pageSize)).map(({ packageName }) => packageName)).toEqual(names.toSorted());
    }
  });

  it("shows what came by other means without facts, and files that no job can name not at all", async () => {
    const tenant = freshTenant();
    await put(tenant, "foreign.zip", "one");
    await put(tenant, "foreign.zip", "two");
    await put(tenant, "folder/inner.zip", "x");
    await put(tenant, "readme.txt", "x");
    const [item, ...others] = await allOf(tenant, 10);
    expect(others).toEqual([]);
    expect(item).toEqual({ packageName: "foreign.zip", bytes: 3, uploadedAt: expect.any(Date) as unknown });
    expect(await versionsOf(tenant, "foreign.zip")).toEqual([{ sha256: undefined, isCurrent: true }]);
    // Published over, it is kept as a version like any other.
    await upload(tenant, "foreign.zip", "three");
    expect(await versionsOf(tenant, "foreign.zip")).toEqual([
      { sha256: hash("three"), isCurrent: true },
      { sha256: undefined, isCurrent: false },
    ]);
  });

  it("refuses tokens that are not its own", async () => {
    const forged = ["", "x", "1:0:a.zip", ...["1:1:a.zip", "1:0:../a.zip", "1:0:a/b.zip"].map((t) => btoa(t))];
    for (const continuationToken of forged) {
      await expect(store.list(freshTenant(), { pageSize: 1, continuationToken })).rejects.toMatchObject({
        code: "InvalidRequest",
      });
    }
  });
});
