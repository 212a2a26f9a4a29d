/** What the claims of a verified token say about its bearer. Pure; signature, times, issuer and audience are checked before. */
import * as z from "zod";
import { USER_SCOPE } from "../../core/http/auth-facts.ts";
import { UnauthenticatedError } from "../../core/errors.ts";
import { APP_ROLES, PRINCIPAL_ID_PATTERN } from "../../core/http/access.ts";
import { DISPLAY_NAME_MAX_LENGTH } from "../../core/limits.ts";
import type { Bearer } from "./caller.ts";

export interface Identity extends Bearer {
  /** The Entra tenant (directory) the principal is known in; no tenant of ours. */
  readonly directoryId: string;
}

const CLAIMS = z.object({
  oid: z.string().toLowerCase().regex(PRINCIPAL_ID_PATTERN),
  tid: z.string().toLowerCase(),
  sub: z.string(),
  exp: z.number(),
  /** Roles of other systems may be among them. */
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
  if (!parsed.success) throw new UnauthenticatedError("The token lacks a claim every access token of Entra has.");
  const claims = parsed.data;
  if (claims.tid !== directoryId) throw new UnauthenticatedError("The token is from another directory.");
  const kind = kindOf(claims);
  if (kind === "user" && !(claims.scp ?? "").split(" ").includes(USER_SCOPE)) {
    throw new UnauthenticatedError(`The token was not asked for with the scope ${USER_SCOPE}.`);
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
 * `idtyp` is there only when the registration asks for it. Without it an application's token is known by having no
 * scope, a client, and itself as subject: an ID token, which must never open an API, has a pairwise subject.
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
