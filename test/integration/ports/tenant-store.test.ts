/** The contract of core/ports/tenant-store.ts. */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { TenantGrant } from "../../../runtime/core/ports/tenant-store.ts";
import { BACKINGS } from "../../support/stores/backings.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const createdAt = new Date("2030-01-02T03:04:05.678Z");

const grantOn = (tenantName: string, fields: Partial<TenantGrant> = {}): TenantGrant => ({
  tenantName,
  principalId: randomUUID(),
  access: "submit",
  name: "Somebody",
  grantedAt: createdAt,
  grantedBy: "admin",
  ...fields,
});

describe.each(BACKINGS)("over $name", ({ start }) => {
  const { tenants: store } = start()();

  async function allTenants(pageSize: number): Promise<string[]> {
    const names: string[] = [];
    let continuationToken: string | undefined;
    do {
      const page = await store.list({ pageSize, continuationToken });
      expect(page.items.length).toBeLessThanOrEqual(pageSize);
      names.push(...page.items.map(({ tenantName }) => tenantName));
      ({ continuationToken } = page);
    } while (continuationToken !== undefined);
    return names;
  }

  describe("tenants", () => {
    it("a tenant is created once, read and removed", async () => {
      const tenantName = freshTenant();
      const tenant = { tenantName, createdAt, createdBy: "ada" };
      expect(await store.get(tenantName)).toBeUndefined();
      expect(await store.create(tenant)).toEqual(tenant);
      expect(await store.create({ ...tenant, createdBy: "eve" })).toEqual(tenant);
      expect(await store.get(tenantName)).toEqual(tenant);
      expect(await store.remove(tenantName)).toBe(true);
      expect(await store.remove(tenantName)).toBe(false);
      expect(await store.get(tenantName)).toBeUndefined();
    });

    it("tenants are listed by name in pages, without grants", async () => {
      const names = Array.from({ length: 5 }, freshTenant);
      for (const tenantName of names) {
        await store.create({ tenantName, createdAt, createdBy: "ada" });
        await store.putGrant(grantOn(tenantName));
      }
      const listed = await allTenants(2);
      expect(listed).toEqual(listed.toSorted());
      expect(listed.filter((name) => names.includes(name)).toSorted()).toEqual(names.toSorted());
      expect(listed.every((name) => !name.includes("."))).toBe(true);
    });

    it("removing a tenant removes its grants and no others", async () => {
      const [gone, kept] = [freshTenant(), freshTenant()];
      const principalId = randomUUID();
      await store.create({ tenantName: gone, createdAt, createdBy: "ada" });
      await store.putGrant(grantOn(gone, { principalId }));
      await store.putGrant(grantOn(gone));
      await store.putGrant(grantOn(kept, { principalId }));
      await store.remove(gone);
      expect((await store.grantsOf(principalId)).map(({ tenantName }) => tenantName)).toEqual([kept]);
      expect((await store.listGrants(gone, { pageSize: 10 })).items).toEqual([]);
    });
  });

  describe("grants", () => {
    it("a grant is added, replaced and removed", async () => {
      const grant = grantOn(freshTenant());
      const { tenantName, principalId } = grant;
      await store.putGrant(grant);
      expect(await store.grantsOf(principalId)).toEqual([grant]);
      const more = { ...grant, access: "manage" as const, name: "Renamed" };
      await store.putGrant(more);
      expect(await store.grantsOf(principalId)).toEqual([more]);
      expect(await store.removeGrant(tenantName, principalId)).toBe(true);
      expect(await store.removeGrant(tenantName, principalId)).toBe(false);
      expect(await store.grantsOf(principalId)).toEqual([]);
    });

    it("the grants of a principal are those on all of its tenants", async () => {
      const principalId = randomUUID();
      const names = Array.from({ length: 3 }, freshTenant).toSorted();
      for (const tenantName of names) {
        await store.putGrant(grantOn(tenantName, { principalId }));
        await store.putGrant(grantOn(tenantName));
      }
      expect((await store.grantsOf(principalId)).map(({ tenantName }) => tenantName)).toEqual(names);
    });

    it("the grants on a tenant are listed in pages", async () => {
      const tenantName = freshTenant();
      const grants = Array.from({ length: 5 }, () => grantOn(tenantName));
      for (const grant of [...grants, grantOn(freshTenant())]) await store.putGrant(grant);
      const found: TenantGrant[] = [];
      let continuationToken: string | undefined;
      do {
        const page = await store.listGrants(tenantName, { pageSize: 2, continuationToken });
        found.push(...page.items);
        ({ continuationToken } = page);
      } while (continuationToken !== undefined);
      expect(found).toEqual(grants.toSorted((a, b) => (a.principalId < b.principalId ? -1 : 1)));
    });

    it("a grant is refused for an invalid object id", async () => {
      await expect(store.putGrant(grantOn("acme", { principalId: "x' or 'y" }))).rejects.toThrow("Not an object id");
      await expect(store.removeGrant("acme", "")).rejects.toThrow("Not an object id");
    });

    it("the list of grants refuses tokens of other lists", async () => {
      for (const continuationToken of ["", "x", Buffer.from("1:0:' or 1").toString("base64url")]) {
        const refused = { code: "InvalidRequest" };
        await expect(store.list({ pageSize: 1, continuationToken })).rejects.toMatchObject(refused);
        await expect(store.listGrants("acme", { pageSize: 1, continuationToken })).rejects.toMatchObject(refused);
      }
    });
  });

  describe("a tenant that is made and removed at the same time", () => {
    it("creating and removing a tenant at the same time causes no error", async () => {
      const tenant = { tenantName: freshTenant(), createdAt, createdBy: "ada" };
      const makeAndRemove = async (): Promise<void> => {
        for (let i = 0; i < 30; i++) {
          expect(await store.create(tenant)).toEqual(tenant);
          await store.remove(tenant.tenantName);
        }
      };
      await Promise.all(Array.from({ length: 4 }, makeAndRemove));
      expect(await store.get(tenant.tenantName)).toBeUndefined();
    });
  });

  describe("a name that no tenant and no principal has", () => {
    it("an invalid name finds no tenant and no grants", async () => {
      for (const name of ["a/b", "a\\b", "a#b?c", "'", "x".repeat(300)]) {
        expect(await store.grantsOf(name)).toEqual([]);
        expect((await store.listGrants(name, { pageSize: 1 })).items).toEqual([]);
      }
      expect(await store.get("o'brien")).toBeUndefined();
    });
  });
});
