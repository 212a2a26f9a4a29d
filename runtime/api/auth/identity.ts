/** Reads the bearer from the claims of a token whose signature, times, issuer and audience are already checked. Pure. */
import * as z from "zod";
import { USER_SCOPE } from "../../core/http/auth-facts.ts";
import { UnauthenticatedError } from "../../core/errors.ts";
import { APP_ROLES, PRINCIPAL_ID_PATTERN } from "../../core/http/access.ts";
import { DISPLAY_NAME_MAX_LENGTH } from "../../core/limits.ts";
import type { Bearer } from "./caller.ts";

export interface Identity extends Bearer {
  /** The Entra tenant (directory) of the principal. It is not one of our tenants. */
  readonly directoryId: string;
}

const CLAIMS = z.object({
  oid: z.string().toLowerCase().regex(PRINCIPAL_ID_PATTERN),
  tid: z.string().toLowerCase(),
  sub: z.string(),
  exp: z.number(),
  /** May contain roles of other systems. */
  roles: z.array(z.string()).default([]),
  scp: z.string().optional(),
  idtyp: z.string().optional(),
  /** The client: `azp` in v2 tokens, `appid` in v1. */
  azp: z.string().optional(),
  appid: z.string().optional(),
  name: z.string().optional(),
  preferred_username: z.string().optional(),
  upn: z.string().optional(),
  unique_name: z.string().optional(),
  app_displayname: z.string().optional(),
});
type Claims = z.infer<typeof CLAIMS>;

/** Throws UnauthenticatedError for a token that is no access token of our directory, or a user's without our scope. */
export function identityOf(payload: unknown, directoryId: string): Identity {
  const parsed = CLAIMS.safeParse(payload);
  if (!parsed.success) throw new UnauthenticatedError("The token lacks a claim that every access token of Entra has.");
  const claims = parsed.data;
  if (claims.tid !== directoryId) throw new UnauthenticatedError("The token is from another directory.");
  const kind = kindOf(claims);
  if (kind === "user" && !(claims.scp ?? "").split(" ").includes(USER_SCOPE)) {
    throw new UnauthenticatedError(`The token does not have the scope ${USER_SCOPE}.`);
  }
  return {
    kind,
    principalId: claims.oid,
    name: nameOf(claims, kind).slice(0, DISPLAY_NAME_MAX_LENGTH),
    roles: APP_ROLES.filter((role) => claims.roles.includes(role)),
    directoryId: claims.tid,
    expiresAt: claims.exp * 1_000,
  };
}

/**
 * `idtyp` exists only if the registration requests it. Without it, an application's token has no scope, has a client, and is
 * its own subject. An ID token, which must never be accepted, has a pairwise subject.
 * https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
 */
function kindOf({ idtyp, scp, sub, oid, azp, appid }: Claims): Identity["kind"] {
  if (idtyp === "user" || (idtyp === undefined && scp !== undefined)) return "user";
  const isApplication = scp === undefined && (azp ?? appid) !== undefined && sub.toLowerCase() === oid;
  if (!isApplication || (idtyp !== undefined && idtyp !== "app")) {
    throw new UnauthenticatedError("The token is not an access token of a user or an application.");
  }
  return "application";
}

function nameOf(claims: Claims, kind: Identity["kind"]): string {
  const user = claims.preferred_username ?? claims.upn ?? claims.unique_name ?? claims.name;
  const application = claims.app_displayname ?? claims.azp ?? claims.appid;
  return (kind === "user" ? user : application) ?? claims.oid;
}
