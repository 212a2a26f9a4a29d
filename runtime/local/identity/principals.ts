/**
 * The applications and users of the local issuer, with their tenants and grants. Their secrets are public: they only
 * work with an issuer on this machine, whose keys are created there.
 */
import type { AppRole, TenantAccess } from "../../core/http/access.ts";
import type { TenantStore } from "../../core/ports/tenant-store.ts";

const id = (last: string): string => `10ca1000-0000-4000-8000-${last.padStart(12, "0")}`;

/** The Entra tenant of the local issuer. */
export const DIRECTORY_ID = id("1");
/** The API's app registration. */
export const API_CLIENT_ID = id("a1");
/** The registration for the sign-in of CLI and pages. */
export const PUBLIC_CLIENT_ID = id("c1");

interface Principal {
  readonly principalId: string;
  /** A name for people. */
  readonly name: string;
  readonly roles: readonly AppRole[];
  /** The grants that it gets when its tenant is created. */
  readonly grants: Readonly<Record<string, TenantAccess>>;
}

export interface LocalApplication extends Principal {
  readonly clientId: string;
  readonly secret: string;
}

export interface LocalUser extends Principal {
  readonly userName: string;
}

export const ADMIN_APPLICATION: LocalApplication = {
  clientId: id("ad01"),
  secret: "local-admin-secret",
  principalId: id("ad02"),
  name: "Operations",
  roles: ["Jobs.Admin"],
  grants: {},
};

export const DEMO_APPLICATION: LocalApplication = {
  clientId: id("de01"),
  secret: "local-demo-secret",
  principalId: id("de02"),
  name: "Demo program",
  roles: ["Jobs.Submit"],
  grants: { demo: "manage" },
};

const PARTNER_APPLICATION: LocalApplication = {
  clientId: id("ba01"),
  secret: "local-partner-secret",
  principalId: id("ba02"),
  name: "Partner program",
  roles: ["Jobs.Submit"],
  grants: { partner: "submit" },
};

export const APPLICATIONS: readonly LocalApplication[] = [ADMIN_APPLICATION, DEMO_APPLICATION, PARTNER_APPLICATION];

export const USERS: readonly LocalUser[] = [
  {
    userName: "ada@jobyard.local",
    principalId: id("e1"),
    name: "Ada Admin",
    roles: ["Jobs.Admin"],
    grants: {},
  },
  {
    userName: "sam@jobyard.local",
    principalId: id("e2"),
    name: "Sam Submitter",
    roles: ["Jobs.Submit"],
    grants: { demo: "manage" },
  },
  {
    userName: "rita@jobyard.local",
    principalId: id("e3"),
    name: "Rita Reader",
    roles: ["Jobs.Read"],
    grants: { demo: "read" },
  },
  {
    userName: "pat@partner.local",
    principalId: id("e4"),
    name: "Pat Partner",
    roles: ["Jobs.Submit"],
    grants: { partner: "manage" },
  },
  { userName: "nora@jobyard.local", principalId: id("e5"), name: "Nora Norole", roles: [], grants: {} },
];

/** The tenants that the principals have grants on. */
const LOCAL_TENANTS: readonly string[] = [
  ...new Set([...APPLICATIONS, ...USERS].flatMap(({ grants }) => Object.keys(grants))),
];

const SEEDED_BY = "npm start";

/**
 * Creates the tenants of the local principals with their grants. Does not change an existing tenant, so that a removed
 * grant stays removed.
 */
export async function seedTenants(store: Pick<TenantStore, "get" | "create" | "putGrant">, now: Date): Promise<void> {
  for (const tenantName of LOCAL_TENANTS) {
    if ((await store.get(tenantName)) !== undefined) continue;
    for (const { principalId, name, grants } of [...APPLICATIONS, ...USERS]) {
      const access = grants[tenantName];
      if (access === undefined) continue;
      await store.putGrant({ tenantName, principalId, name, access, grantedAt: now, grantedBy: SEEDED_BY });
    }
    // The tenant is written last, so that a start after a crash repeats its grants.
    await store.create({ tenantName, createdAt: now, createdBy: SEEDED_BY });
  }
}
