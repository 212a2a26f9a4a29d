/** Makes the tenants of the local principals, and gives the grants they come with. */
import type { TenantStore } from "../../core/ports/tenant-store.ts";
import { APPLICATIONS, LOCAL_TENANTS, USERS } from "./principals.ts";

const SEEDED_BY = "npm start";

/** Leaves a tenant that exists alone: a grant taken away by hand stays away. */
export async function seedTenants(store: Pick<TenantStore, "get" | "create" | "putGrant">, now: Date): Promise<void> {
  for (const tenantName of LOCAL_TENANTS) {
    if ((await store.get(tenantName)) !== undefined) continue;
    for (const { principalId, name, grants } of [...APPLICATIONS, ...USERS]) {
      const access = grants[tenantName];
      if (access === undefined) continue;
      await store.putGrant({ tenantName, principalId, name, access, grantedAt: now, grantedBy: SEEDED_BY });
    }
    // Last: a start broken off before it begins with this tenant again.
    await store.create({ tenantName, createdAt: now, createdBy: SEEDED_BY });
  }
}
