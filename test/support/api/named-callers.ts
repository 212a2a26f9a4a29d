/** Callers by name, with grants that are read as in production, and clocks that a test sets. */
import { createGrantsCache } from "../../../runtime/api/auth/grants-cache.ts";
import { createIdentify } from "../../../runtime/api/auth/identify.ts";
import type { Identify } from "../../../runtime/api/auth/caller.ts";
import type { TenantAccess } from "../../../runtime/core/http/access.ts";
import type { TenantStore } from "../../../runtime/core/ports/tenant-store.ts";

export interface NamedCallers {
  readonly identify: Identify;
  /** Of grants that are kept, and of tokens. */
  readonly clock: { grantsMs: number; tokensMs: number };
  /** When set, grants cannot be read. */
  readonly fault: { error: Error | undefined };
  /** At another instance: this one notices when it reads again. */
  grant(principalId: string, tenantName: string, access?: TenantAccess): Promise<void>;
  revoke(principalId: string, tenantName: string): Promise<void>;
}

/** Tokens of all callers end at this instant of the tokens' clock; tickets go by the real one. */
export const TOKENS_END_MS = Date.now() + 3_600_000;

export function namedCallers(tenants: TenantStore): NamedCallers {
  const clock = { grantsMs: 0, tokensMs: 0 };
  const fault: NamedCallers["fault"] = { error: undefined };
  const store: TenantStore = {
    ...tenants,
    grantsOf: (principalId) =>
      fault.error === undefined ? tenants.grantsOf(principalId) : Promise.reject(fault.error),
  };
  return {
    identify: createIdentify({
      verify: ({ headers }) =>
        Promise.resolve({
          kind: "user",
          principalId: principalOf(headers.authorization),
          name: "somebody",
          roles: ["Jobs.Submit"],
          directoryId: "d",
          expiresAt: TOKENS_END_MS,
        }),
      grants: createGrantsCache({ store, monotonicNow: () => clock.grantsMs }),
      now: () => new Date(clock.tokensMs),
    }),
    clock,
    fault,
    grant: (principalId, tenantName, access = "submit") =>
      tenants.putGrant({ principalId, tenantName, access, name: "n", grantedAt: new Date(0), grantedBy: "test" }),
    async revoke(principalId, tenantName) {
      await tenants.removeGrant(tenantName, principalId);
    },
  };
}

export const headersOf = (principalId: string) => ({ authorization: `Bearer ${principalId}` });

const principalOf = (authorization = ""): string => authorization.replace("Bearer ", "");
