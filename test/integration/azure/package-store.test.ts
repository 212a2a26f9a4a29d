/** Packages as blobs: lost answers, and blobs of others; what the port promises is in ports/package-store.test.ts. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createPackageCatalog } from "../../../runtime/azure/index.ts";
import type { StoredPackage } from "../../../runtime/core/ports/package-store.ts";
import { CONTAINERS } from "../../../runtime/core/deployment/storage-layout.ts";
import { startStorageProxy, type Fate } from "../../support/stores/storage-proxy.ts";
import { freshTenant, testStorage } from "../../support/stores/test-storage.ts";

const storage = testStorage();
const store = createPackageCatalog({ storage, settlesMs: 0 });
const container = storage.blobs.getContainerClient(CONTAINERS.packages);

const hash = (content: string): string => createHash("sha256").update(content).digest("hex");
const upload = (tenant: string, name: string, content: string, to = store): Promise<Date> =>
  to.upload(tenant, name, Buffer.from(content), { sha256: hash(content), jobTypes: ["Echo"], uploadedBy: "Ada Ünal" });
/** By other means than this store. */
const put = (tenant: string, name: string, content: string) =>
  container.getBlockBlobClient(`${tenant}/${name}`).upload(content, content.length);
const versionsOf = async (tenant: string, name = "a.zip") =>
  (await store.versions(tenant, name)).map(({ sha256, isCurrent }) => ({ sha256, isCurrent }));
/** Newest first, the first of them current. */
const versions = (...contents: readonly string[]) =>
  contents.map((content, i) => ({ sha256: hash(content), isCurrent: i === 0 }));

describe("versions of a package", () => {
  it("are kept once although the answer to an upload is lost", async () => {
    await using network = await startStorageProxy();
    const tenant = freshTenant();
    await upload(tenant, "a.zip", "one");
    const fates: Fate[] = ["lose"];
    network.decide = ({ method, url }) =>
      method === "PUT" && url.includes("a.zip") && !url.includes("comp=snapshot") ? (fates.shift() ?? "pass") : "pass";
    const unlucky = createPackageCatalog({ storage: testStorage(network.connectionString), settlesMs: 0 });
    await upload(tenant, "a.zip", "two", unlucky);
    expect(fates).toEqual([]);
    expect(await versionsOf(tenant)).toEqual(versions("two", "one"));
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

  it("lists packages from other sources without facts, and no other files", async () => {
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
});

describe("a package that has not changed", () => {
  it("is asked for once and not sent again", async () => {
    await using network = await startStorageProxy();
    const packages = createPackageCatalog({ storage: testStorage(network.connectionString), settlesMs: 0 });
    const tenant = freshTenant();
    await upload(tenant, "a.zip", "one");
    const first = await packages.fetch(tenant, "a.zip", undefined);
    if (first === undefined || first === "unchanged") throw new Error("not fetched");
    network.requests.length = 0;
    expect(await packages.fetch(tenant, "a.zip", first.version)).toBe("unchanged");
    expect(network.requests).toHaveLength(1);
  });
});
