/** The middleware that finds the caller: token, role, grants. */
import type { Request, Response } from "express";
import {
  type Access,
  PRINCIPAL_ID_PATTERN,
  isAdmin,
  isAllowed,
  mayTry,
  rolesFor,
  tenantsAllowed,
} from "../../core/http/access.ts";
import { ForbiddenError, UnauthenticatedError } from "../../core/errors.ts";
import { FOLLOWER_HEARTBEAT_MS } from "../../core/limits.ts";
import { presentedBearer, setCaller, type Bearer, type Caller, type Identify } from "./caller.ts";
import { GRANTS_KEPT_MS, type GrantsCache } from "./grants-cache.ts";
import type { TokenVerifier } from "./token-verifier.ts";
import { type Clock, systemClock } from "../../core/clock.ts";

export interface IdentifyDeps {
  readonly verify: TokenVerifier;
  readonly grants: Pick<GrantsCache, "grantsOf">;
  /** Default: this process's clock. */
  readonly now?: Clock["now"];
}

export function createIdentify({ verify, grants, now = systemClock.now }: IdentifyDeps): Identify {
  async function callerFor(bearer: Bearer, needs: Access, grantsMaxAgeMs?: number): Promise<Caller> {
    const { kind, principalId, name, roles, expiresAt } = bearer;
    if (!mayTry(roles, needs)) {
      const has = roles.length === 0 ? "none" : roles.join(", ");
      throw new ForbiddenError(`This needs the app role ${rolesFor(needs).join(" or ")}. The token has ${has}.`);
    }
    // An administrator needs no grants.
    const rights = { roles, grants: isAdmin(roles) ? [] : await grants.grantsOf(principalId, grantsMaxAgeMs) };
    return {
      name: knownName(name, rights.grants),
      identity: {
        kind,
        principalId,
        roles,
        grants: rights.grants.map(({ tenantName, access }) => ({ tenantName, access })),
      },
      mayUse: (tenantName) => isAllowed(rights, needs, tenantName),
      mayOperate: () => isAdmin(roles),
      tenants: () => tenantsAllowed(rights, needs),
      expiresAt,
      renewed: () => renew(bearer, needs),
    };
  }

  /** For answers that go on: no tolerance for clocks, and grants as fresh as the heartbeat of followers. */
  async function renew(bearer: Bearer, needs: Access): Promise<Caller> {
    if (now().getTime() >= bearer.expiresAt) throw new UnauthenticatedError("The token has expired.");
    return callerFor(bearer, needs, GRANTS_KEPT_MS - FOLLOWER_HEARTBEAT_MS);
  }

  async function callerOfRequest(request: Request, response: Response, needs: Access): Promise<Caller> {
    const presented = presentedBearer(response);
    const bearer = presented ?? (await verify(request));
    try {
      return await (presented === undefined ? callerFor(bearer, needs) : renew(bearer, needs));
    } catch (error) {
      // The audit names who was refused.
      if (error instanceof ForbiddenError) setCaller(response, refused(bearer));
      throw error;
    }
  }

  return (needs) => async (request, response, next) => {
    try {
      setCaller(response, needs === "anonymous" ? ANONYMOUS : await callerOfRequest(request, response, needs));
    } catch (error) {
      const challenge = challengeOf(error, request.headers.authorization !== undefined);
      if (challenge !== undefined) response.set("WWW-Authenticate", challenge);
      throw error;
    }
    next();
  };
}

/** The token of an application often has no name but its client id. A grant has the name that its author gave. */
const knownName = (name: string, grants: readonly { readonly name?: string }[]): string =>
  PRINCIPAL_ID_PATTERN.test(name) ? (grants.find((grant) => grant.name)?.name ?? name) : name;

/** The caller of an operation that needs no token. */
const ANONYMOUS: Caller = {
  name: "anonymous",
  mayUse: () => false,
  mayOperate: () => false,
  tenants: () => [],
};

/** A caller whose roles do not allow the operation. */
const refused = ({ name, kind, principalId, roles }: Bearer): Caller => ({
  ...ANONYMOUS,
  name,
  identity: { kind, principalId, roles, grants: [] },
});

/** RFC 6750: only a request with a token gets the error's name. */
function challengeOf(error: unknown, sentToken: boolean): string | undefined {
  if (error instanceof UnauthenticatedError) {
    return sentToken ? `Bearer realm="jobyard", error="invalid_token"` : `Bearer realm="jobyard"`;
  }
  return error instanceof ForbiddenError ? `Bearer realm="jobyard", error="insufficient_scope"` : undefined;
}
