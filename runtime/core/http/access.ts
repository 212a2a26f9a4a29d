/**
 * Who may do what. The roles in a token are the ceiling; the grants in table `tenants` say for which tenants, and how far
 * below that ceiling. Pure. The API asks here for every operation and every tenant.
 */

/**
 * What an operation needs. `anonymous`: no token. `signed-in`: any valid token.
 *
 * On tenants that are granted to the caller: `read` sees batches, jobs and packages; `submit` also adds, cancels and
 * requeues jobs and batches and runs timers; `manage` also publishes and deletes packages, sets their settings, sees grants
 * on identities, pauses timers and removes dead letters.
 *
 * `operate` is for the system itself: workers, tenants, grants.
 */
export type Access = "anonymous" | "signed-in" | "read" | "submit" | "manage" | "operate";

/** Roles of the API's app registration, given to users and applications alike. */
export const APP_ROLES = ["Jobs.Read", "Jobs.Submit", "Jobs.Admin"] as const;
export type AppRole = (typeof APP_ROLES)[number];

/** How far a grant reaches, each including the ones before it. */
export const TENANT_ACCESS = ["read", "submit", "manage"] as const;
export type TenantAccess = (typeof TENANT_ACCESS)[number];

/** One principal's access to one tenant. */
export interface Grant {
  readonly tenantName: string;
  readonly access: TenantAccess;
}

/** An Entra object id: a GUID in lower case. Safe in table keys. */
export const PRINCIPAL_ID_PATTERN = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

export interface Rights {
  readonly roles: readonly AppRole[];
  readonly grants: readonly Grant[];
}

const rank = (access: TenantAccess): number => TENANT_ACCESS.indexOf(access);

export const isAdmin = (roles: readonly AppRole[]): boolean => roles.includes("Jobs.Admin");

/** The most a caller with these roles can be granted for a tenant. */
function ceilingOf(roles: readonly AppRole[]): TenantAccess | undefined {
  if (isAdmin(roles) || roles.includes("Jobs.Submit")) return "manage";
  return roles.includes("Jobs.Read") ? "read" : undefined;
}

/** Whether the roles alone allow an operation on some tenant. A refusal by roles says nothing about any tenant. */
export function mayTry(roles: readonly AppRole[], needs: Access): boolean {
  switch (needs) {
    case "anonymous":
    case "signed-in":
      return true;
    case "operate":
      return isAdmin(roles);
    case "read":
    case "submit":
    case "manage": {
      const ceiling = ceilingOf(roles);
      return ceiling !== undefined && rank(ceiling) >= rank(needs);
    }
  }
}

/** The roles that allow an operation, the least first. */
export const rolesFor = (needs: Access): readonly AppRole[] => APP_ROLES.filter((role) => mayTry([role], needs));

/** Whether a caller may do for a tenant what an operation needs. */
export function isAllowed({ roles, grants }: Rights, needs: Access, tenantName: string): boolean {
  if (needs === "anonymous" || !mayTry(roles, onTenant(needs))) return false;
  if (isAdmin(roles)) return true;
  return grants.some((grant) => grant.tenantName === tenantName && reaches(grant, onTenant(needs)));
}

/** The tenants a caller may do that for. */
export function tenantsAllowed({ roles, grants }: Rights, needs: Access): readonly string[] | "all" {
  if (needs !== "anonymous" && isAdmin(roles)) return "all";
  return grants
    .map(({ tenantName }) => tenantName)
    .filter((tenantName) => isAllowed({ roles, grants }, needs, tenantName));
}

/** Of a tenant, a signed-in operation shows what `read` may see. */
const onTenant = (needs: Exclude<Access, "anonymous">): Exclude<Access, "anonymous" | "signed-in"> =>
  needs === "signed-in" ? "read" : needs;

const reaches = ({ access }: Grant, needs: Exclude<Access, "anonymous" | "signed-in">): boolean =>
  needs !== "operate" && rank(access) >= rank(needs);
