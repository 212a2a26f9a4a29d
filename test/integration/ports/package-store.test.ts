/** The contract of core/ports/package-store.ts: which versions are kept, in which order, and that none is lost. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { InvalidRequestError, PackageError } from "../../../runtime/core/errors.ts";
import { PACKAGE_MAX_BYTES, PACKAGE_VERSIONS_KEPT } from "../../../runtime/core/limits.ts";
import type { StoredPackage } from "../../../runtime/core/ports/package-store.ts";
import { breadth } from "../../support/breadth.ts";
import { BACKINGS } from "../../support/stores/backings.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

describe.each(BACKINGS)("over $name", ({ name, start }) => {
  const open = start();
  const { packages: store } = open();

  const hash = (content: string): string => createHash("sha256").update(content).digest("hex");
  const upload = (tenant: string, name: string, content: string, to = store): Promise<Date> =>
    to.upload(tenant, name, Buffer.from(content), {
      sha256: hash(content),
      jobTypes: ["Echo"],
      uploadedBy: "Ada Ünal",
    });
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
  const versionOf = async (tenant: string): Promise<string> => {
    const fetched = await store.fetch(tenant, "a.zip", undefined);
    if (fetched === undefined || fetched === "unchanged") throw new Error("There is none.");
    return fetched.version;
  };

  describe("versions of a package", () => {
    it("all versions of a package are kept, newest first, also from the same second", async () => {
      const tenant = freshTenant();
      for (const content of ["one", "two", "three", "four"]) await upload(tenant, "a.zip", content);
      expect(await versionsOf(tenant)).toEqual(versions("four", "three", "two", "one"));
      expect(await contentOf(tenant)).toBe("four");
    });

    it("equal versions of a package are shown once, as the newest copy", async () => {
      const tenant = freshTenant();
      for (const content of ["one", "two", "one", "three", "two"]) await upload(tenant, "a.zip", content);
      expect(await versionsOf(tenant)).toEqual(versions("two", "three", "one"));
    });

    it("concurrent uploads of a package keep all versions", async () => {
      const tenant = freshTenant();
      const contents = Array.from({ length: 6 }, (_, i) => `version ${i}`);
      await Promise.all(contents.map((content) => upload(tenant, "a.zip", content, open().packages)));
      const kept = await versionsOf(tenant);
      expect(kept.map(({ sha256 }) => sha256).toSorted()).toEqual(contents.map(hash).toSorted());
      expect(kept[0]).toEqual({ sha256: hash(await contentOf(tenant)), isCurrent: true });
    });

    it("the oldest versions of a package are deleted when there are too many", async () => {
      const tenant = freshTenant();
      const contents = Array.from({ length: PACKAGE_VERSIONS_KEPT + 3 }, (_, i) => `version ${i}`);
      for (const content of contents) await upload(tenant, "a.zip", content);
      expect(await versionsOf(tenant)).toEqual(versions(...contents.toReversed().slice(0, PACKAGE_VERSIONS_KEPT + 1)));
    });

    it("a restored version has its facts and the name of the caller that restored it", async () => {
      const tenant = freshTenant();
      for (const content of ["one", "two", "one", "three"]) await upload(tenant, "a.zip", content);
      expect(await store.restore(tenant, "a.zip", hash("one"), "Grace")).toBe(true);
      expect(await contentOf(tenant)).toBe("one");
      expect(await store.get(tenant, "a.zip")).toMatchObject({ uploadedBy: "Grace", jobTypes: ["Echo"] });
      expect(await versionsOf(tenant)).toEqual(versions("one", "three", "two"));
    });

    it("restoring the current or a missing version changes nothing", async () => {
      const tenant = freshTenant();
      for (const content of ["one", "two", "one"]) await upload(tenant, "a.zip", content);
      const before = await versionOf(tenant);
      expect(await store.restore(tenant, "a.zip", hash("one"), "Grace")).toBe(true);
      expect(await store.restore(tenant, "a.zip", hash("none"), "Grace")).toBe(false);
      expect(await store.restore(tenant, "none.zip", hash("one"), "Grace")).toBe(false);
      expect(await versionOf(tenant)).toBe(before);
    });

    it("versions of a package have the time of their first publishing, and an upload returns its time", async () => {
      const tenant = freshTenant();
      const startedAt = Date.now();
      const first = await upload(tenant, "a.zip", "one");
      await upload(tenant, "a.zip", "two");
      const last = await upload(tenant, "a.zip", "one");
      const [current, older] = await store.versions(tenant, "a.zip");
      expect(current).toMatchObject({ isCurrent: true, uploadedAt: last, publishedAt: first, jobTypes: ["Echo"] });
      expect(older).toMatchObject({ isCurrent: false, sha256: hash("two"), timerCount: 0 });
      expect((await store.get(tenant, "a.zip"))?.uploadedAt).toEqual(last);
      // Times have a resolution of one second.
      expect(first.getMilliseconds()).toBe(0);
      expect(first.getTime()).toBeGreaterThan(startedAt - 2_000);
    });

    it("current and older versions of a package are fetched by hash, deleted ones are not", async () => {
      const tenant = freshTenant();
      for (const content of ["one", "two"]) await upload(tenant, "a.zip", content);
      for (const content of ["one", "two"]) {
        expect(Buffer.from((await store.fetchVersion(tenant, "a.zip", hash(content)))!).toString()).toBe(content);
      }
      expect(await store.fetchVersion(tenant, "a.zip", hash("three"))).toBeUndefined();
      expect(await store.fetchVersion(tenant, "none.zip", hash("one"))).toBeUndefined();
    });

    it("a restore of a package keeps unknown facts unknown", async () => {
      const tenant = freshTenant();
      const jobTypes = Array.from({ length: 1_000 }, (_, i) => `JobTypeNumber${i}`);
      await store.upload(tenant, "a.zip", Buffer.from("one"), { sha256: hash("one"), jobTypes, uploadedBy: "Ada" });
      await upload(tenant, "a.zip", "two");
      await store.restore(tenant, "a.zip", hash("one"), "Grace");
      expect(await store.get(tenant, "a.zip")).not.toHaveProperty("jobTypes");
    });

    it("deleting a package deletes its versions", async () => {
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
    it("a package whose name begins with another name is a separate package", async () => {
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

    it("packages belong to one tenant, also if tenant names begin with each other", async () => {
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

    it("the list of packages has each once, sorted by name, without older versions, for any page size", async () => {
      const tenant = freshTenant();
      const names = ["b.zip", "a.zip", "B.zip", "a-1.zip", "c.zip"];
      for (const name of names) for (const content of ["one", "two"]) await upload(tenant, name, content);
      for (const pageSize of [1, 2, 5, 10]) {
        expect((await allOf(tenant, pageSize)).map(({ packageName }) => packageName)).toEqual(names.toSorted());
      }
    });

    it("a package without facts is listed without them, and kept as a version", async () => {
      const tenant = freshTenant();
      for (const content of ["one", "two"]) await store.upload(tenant, "foreign.zip", Buffer.from(content));
      const [item, ...others] = await allOf(tenant, 10);
      expect(others).toEqual([]);
      expect(item).toMatchObject({ packageName: "foreign.zip", bytes: 3, uploadedAt: expect.any(Date) as unknown });
      expect(item).not.toHaveProperty("sha256");
      expect(await versionsOf(tenant, "foreign.zip")).toEqual([
        { sha256: undefined, isCurrent: true },
        { sha256: undefined, isCurrent: false },
      ]);
      expect(await store.restore(tenant, "foreign.zip", hash("one"), "Grace")).toBe(false);
    });

    it("blobs without a valid package name are not listed", async () => {
      const tenant = freshTenant();
      await store.upload(tenant, "readme.txt", Buffer.from("x"));
      expect(await allOf(tenant, 10)).toEqual([]);
      const names: string[] = [];
      for await (const { tenantName, packageName } of store.all()) if (tenantName === tenant) names.push(packageName);
      expect(names).toEqual([]);
    });

    it("the list of all packages has the packages of every tenant", async () => {
      const [one, other] = [freshTenant(), freshTenant()];
      await upload(one, "a.zip", "one");
      await upload(one, "a.zip", "two");
      await upload(other, "b.zip", "three");
      const found = [];
      for await (const item of store.all()) if ([one, other].includes(item.tenantName)) found.push(item);
      const expected = [
        { tenantName: one, ...(await store.get(one, "a.zip")) },
        { tenantName: other, ...(await store.get(other, "b.zip")) },
      ];
      expect(found).toEqual(expect.arrayContaining(expected));
      expect(found).toHaveLength(2);
    });

    it("the list of packages continues when the package of its token was removed", async () => {
      const tenant = freshTenant();
      for (const name of ["a.zip", "b.zip", "c.zip"]) await upload(tenant, name, name);
      const { continuationToken } = await store.list(tenant, { pageSize: 2 });
      await store.remove(tenant, "b.zip");
      const rest = await store.list(tenant, { pageSize: 2, continuationToken });
      expect(rest.items.map(({ packageName }) => packageName)).toEqual(["c.zip"]);
      expect(rest.continuationToken).toBeUndefined();
    });

    it("the list of packages refuses foreign tokens", async () => {
      const forged = ["", "x", "1:0:a.zip", ...["1:1:a.zip", "1:0:../a.zip", "1:0:a/b.zip"].map((t) => btoa(t))];
      for (const continuationToken of forged) {
        await expect(store.list(freshTenant(), { pageSize: 1, continuationToken })).rejects.toMatchObject({
          code: "InvalidRequest",
        });
      }
    });
  });

  describe("a package", () => {
    it("a package is fetched only by its exact name, and only once while it is unchanged", async () => {
      const tenant = freshTenant();
      await store.upload(tenant, "report.zip", Buffer.from("v1"));
      const first = await store.fetch(tenant, "report.zip", undefined);
      if (first === undefined || first === "unchanged") throw new Error("not fetched");
      expect(Buffer.from(first.bytes).toString()).toBe("v1");

      expect(await store.fetch(tenant, "report.zip", first.version)).toBe("unchanged");

      await store.upload(tenant, "report.zip", Buffer.from("v2"));
      const second = await store.fetch(tenant, "report.zip", first.version);
      expect(second).toMatchObject({ bytes: Buffer.from("v2") });

      for (const name of ["report", "report.zip2", "REPORT.ZIP", "../report.zip", "", "a/b.zip"]) {
        expect(await store.fetch(tenant, name, undefined)).toBeUndefined();
      }
      expect(await store.fetch(freshTenant(), "report.zip", undefined)).toBeUndefined();
      await expect(store.upload(tenant, `../${freshTenant()}/x.zip`, Buffer.from(""))).rejects.toThrow(
        InvalidRequestError,
      );
    });

    it("a package with replaced bytes and the old SHA-256 is refused", async () => {
      const tenant = freshTenant();
      const facts = { sha256: hash("good"), uploadedBy: "Ada", jobTypes: ["Echo"] };
      await store.upload(tenant, "a.zip", Buffer.from("evil"), facts);
      await expect(store.fetch(tenant, "a.zip", undefined)).rejects.toMatchObject({ code: "PackageCorrupt" });
      expect(await store.fetchVersion(tenant, "a.zip", hash("good"))).toBeUndefined();
      expect(await store.restore(tenant, "a.zip", hash("good"), "Ada")).toBe(false);
      await store.upload(tenant, "a.zip", Buffer.from("good"), facts);
      expect(await store.fetch(tenant, "a.zip", undefined)).toMatchObject({ sha256: hash("good") });
    });

    it("a version is restored from an intact copy if the newest copy was replaced", async () => {
      const tenant = freshTenant();
      await upload(tenant, "a.zip", "good");
      await store.upload(tenant, "a.zip", Buffer.from("evil"), { sha256: hash("good"), uploadedBy: "x", jobTypes: [] });
      expect(Buffer.from((await store.fetchVersion(tenant, "a.zip", hash("good")))!).toString()).toBe("good");
      expect(await store.restore(tenant, "a.zip", hash("good"), "Ada")).toBe(true);
      expect(await contentOf(tenant)).toBe("good");
    });

    it("a package without a recorded SHA-256 is returned with the SHA-256 of its bytes", async () => {
      const tenant = freshTenant();
      await store.upload(tenant, "a.zip", Buffer.from("foreign"));
      expect(await store.fetch(tenant, "a.zip", undefined)).toMatchObject({ sha256: hash("foreign") });
    });

    // It takes seconds to send so much to Azurite.
    it.runIf(breadth(name === "memory", true))("a package above the size limit is refused", async () => {
      const tenant = freshTenant();
      await store.upload(tenant, "big.zip", Buffer.alloc(PACKAGE_MAX_BYTES + 1));
      await expect(store.fetch(tenant, "big.zip", undefined)).rejects.toThrow(PackageError);
      await store.remove(tenant, "big.zip");
    });

    it("a package returns its facts exactly, with any characters", async () => {
      const tenant = freshTenant();
      const facts = {
        sha256: hash("x"),
        uploadedBy: "Ünal \u2028 'x'",
        jobTypes: ["Echo", "Ä"],
        timerCount: 12,
        schemaCount: 3,
      };
      await store.upload(tenant, "a.zip", Buffer.from("x"), facts);
      expect(await store.get(tenant, "a.zip")).toMatchObject({ packageName: "a.zip", bytes: 1, ...facts });
    });

    it("a package with an invalid name is refused", async () => {
      for (const name of ["a/b.zip", "../a.zip", ""]) {
        await expect(store.get(freshTenant(), name)).rejects.toThrow(InvalidRequestError);
        await expect(store.versions(freshTenant(), name)).rejects.toThrow(InvalidRequestError);
        await expect(store.remove(freshTenant(), name)).rejects.toThrow(InvalidRequestError);
      }
    });
  });
});
