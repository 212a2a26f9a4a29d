/** The middleware that finds out who calls: token, role, grants. Everything a route learns of its caller comes from here. */
import type { Access } from "../../core/access.ts";
import { ForbiddenError, UnauthenticatedError } from "../../core/errors.ts";
import { isAdmin, isAllowed, mayTry, tenantsAllowed } from "../../core/grants.ts";
import { setCaller, type Caller, type Identify } from "../caller.ts";
import type { GrantsCache } from "./grants-cache.ts";
import type { Identity } from "./identity.ts";
import type { TokenVerifier } from "./token-verifier.ts";

export interface IdentifyDeps {
  readonly verify: TokenVerifier;
  readonly grants: Pick<GrantsCache, "grantsOf">;
}

export function createIdentify({ verify, grants }: IdentifyDeps): Identify {
  async function callerFor(identity: Identity, needs: Access): Promise<Caller> {
    const { kind, principalId, name, roles } = identity;
    if (!mayTry(roles, needs)) throw new ForbiddenError(`This takes an app role that allows to ${needs}.`);
    // An admin may everything with or without grants.
    const rights = { roles, grants: isAdmin(roles) ? [] : await grants.grantsOf(principalId) };
    return {
      name,
      identity: {
        kind,
        principalId,
        roles,
        grants: rights.grants.map(({ tenantName, access }) => ({ tenantName, access })),
      },
      mayUse: (tenantName) => isAllowed(rights, needs, tenantName),
      mayOperate: () => isAdmin(roles),
      tenants: () => tenantsAllowed(rights, needs),
      renewed: () => callerFor(identity, needs),
    };
  }

  return (needs) => async (request, response, next) => {
    try {
      setCaller(response, needs === "anonymous" ? NOBODY : await callerFor(await verify(request), needs));
    } catch (error) {
      const challenge = challengeOf(error, request.headers.authorization !== undefined);
      if (challenge !== undefined) response.set("WWW-Authenticate", challenge);
      throw error;
    }
    next();
  };
}

/** Who calls an operation that asks for no name. */
const NOBODY: Caller = {
  name: "anonymous",
  mayUse: () => false,
  mayOperate: () => false,
  tenants: () => [],
};

/** RFC 6750: the error is named only to those who sent a token. */
function challengeOf(error: unknown, sentToken: boolean): string | undefined {
  if (error instanceof UnauthenticatedError) {
    return sentToken ? `Bearer realm="jobyard", error="invalid_token"` : `Bearer realm="jobyard"`;
  }
  return error instanceof ForbiddenError ? `Bearer realm="jobyard", error="insufficient_scope"` : undefined;
}
