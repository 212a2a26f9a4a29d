import { describe, expect, it } from "vitest";
import {
  APP_ROLES,
  type Access,
  type AppRole,
  TENANT_ACCESS,
  type TenantAccess,
  isAllowed,
  mayTry,
  tenantsAllowed,
} from "../../../../runtime/core/http/access.ts";

const NEEDS: readonly Access[] = ["anonymous", "signed-in", "read", "submit", "manage", "operate"];
const ROLE_SETS: readonly (readonly AppRole[])[] = Array.from({ length: 2 ** APP_ROLES.length }, (_, bits) =>
  APP_ROLES.filter((_role, index) => (bits >> index) & 1),
);

/** Written out by hand: role, grant on the tenant → the needs that are met there. Submit counts as Read and more. */
const EXPECTED: Readonly<Record<"none" | AppRole, Readonly<Record<"none" | TenantAccess, string>>>> = {
  none: { none: "", read: "", submit: "", manage: "" },
  "Jobs.Read": { none: "", read: "signed-in read", submit: "signed-in read", manage: "signed-in read" },
  "Jobs.Submit": {
    none: "",
    read: "signed-in read",
    submit: "signed-in read submit",
    manage: "signed-in read submit manage",
  },
  "Jobs.Admin": {
    none: "signed-in read submit manage operate",
    read: "signed-in read submit manage operate",
    submit: "signed-in read submit manage operate",
    manage: "signed-in read submit manage operate",
  },
};

const strongest = (roles: readonly AppRole[]): "none" | AppRole =>
  (["Jobs.Admin", "Jobs.Submit", "Jobs.Read"] as const).find((role) => roles.includes(role)) ?? "none";

const CASES = ROLE_SETS.flatMap((roles) =>
  (["none", ...TENANT_ACCESS] as const).flatMap((access) => NEEDS.map((needs) => ({ roles, access, needs }))),
);

describe("authorization", () => {
  it.each(CASES)("$roles with grant $access, operation that needs $needs", ({ roles, access, needs }) => {
    const grants = [
      ...(access === "none" ? [] : [{ tenantName: "acme", access }]),
      // A stronger grant on another tenant must not help.
      { tenantName: "other", access: "manage" as const },
    ];
    const expected = EXPECTED[strongest(roles)][access].split(" ").includes(needs);
    expect(isAllowed({ roles, grants }, needs, "acme")).toBe(expected);
    const tenants = tenantsAllowed({ roles, grants }, needs);
    expect(tenants === "all" || tenants.includes("acme")).toBe(expected);
    // Nobody is refused for the role who would be let in for some grant.
    if (expected) expect(mayTry(roles, needs)).toBe(true);
  });

  it.each(CASES.filter(({ access }) => access === "none"))(
    "$roles may try what needs $needs exactly if some grant could allow it",
    ({ roles, needs }) => {
      const someGrant = TENANT_ACCESS.some((access) =>
        isAllowed({ roles, grants: [{ tenantName: "acme", access }] }, needs, "acme"),
      );
      expect(mayTry(roles, needs)).toBe(someGrant || needs === "anonymous" || needs === "signed-in");
    },
  );

  it("a grant never counts for another tenant whose name begins alike", () => {
    const rights = { roles: ["Jobs.Submit"] as const, grants: [{ tenantName: "acme", access: "manage" as const }] };
    for (const tenantName of ["acm", "acme2", "ACME", "", "acme "]) {
      expect(isAllowed(rights, "read", tenantName)).toBe(false);
    }
  });
});
