/**
 * Which issuers a secret may be sent to. The service names its authority, and a service can be somebody else's: a client
 * believes it for Microsoft's own hosts and for this machine. Any other authority must be named by the user. Nor may a
 * service ask for tokens of another one, such as Microsoft Graph.
 */
import type { AuthFacts, USER_SCOPE } from "../core/http/auth-facts.ts";
import { isLoopback } from "../core/loopback.ts";
import { JobServiceError } from "./job-service-error.ts";

export type EntraFacts = Extract<AuthFacts, { kind: "entra" }>;

/** https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud */
const ENTRA_AUTHORITIES: ReadonlySet<string> = new Set([
  "https://login.microsoftonline.com",
  "https://login.microsoftonline.us",
  "https://login.partner.microsoftonline.cn",
]);

/** Written again, because the validator of that module does not belong into a page. */
const OWN_SCOPE: typeof USER_SCOPE = "access_as_user";

const GUID_PATTERN = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** Where the directory's endpoints begin. `named`: the authority the user has named. Throws SignInFailed. */
export function trustedIssuer(facts: EntraFacts, named?: string): URL {
  const { authority, tenantId } = facts;
  assertOwnScopes(facts);
  const url = URL.parse(authority);
  // Nothing but scheme, host and port: no user name that looks like a host, no path to another directory.
  if (url === null || url.origin !== authority.replace(/\/$/, "").toLowerCase()) {
    throw refused(authority, "is not the address of an issuer");
  }
  if (!GUID_PATTERN.test(tenantId)) throw refused(authority, "was named with a directory that is no GUID");
  if (!isPrivate(url))
    throw refused(authority, "is reached over plain http, where everybody on the way can read secrets");
  const isKnown = ENTRA_AUTHORITIES.has(url.origin) || isLoopback(url.hostname);
  if (!isKnown && URL.parse(named ?? "")?.origin !== url.origin) {
    throw refused(
      authority,
      "is no issuer of Microsoft's. If it is yours, name it yourself: `authority`, JOBYARD_AUTHORITY",
    );
  }
  return new URL(`/${tenantId}/`, url);
}

/** Of the issuer's metadata: throws SignInFailed for an endpoint of another origin. */
export function ownEndpoint(endpoint: string, issuer: URL): string {
  if (URL.parse(endpoint)?.origin === issuer.origin) return endpoint;
  throw refused(issuer.origin, `names an endpoint of another origin, ${endpoint}`);
}

/** A token for another service would end up with this one. Throws SignInFailed. */
export function assertOwnScopes({ clientId, applicationScope, userScope, authority }: EntraFacts): void {
  const own = `api://${clientId}/`;
  const isOwn = applicationScope === `${own}.default` && userScope === own + OWN_SCOPE;
  if (!GUID_PATTERN.test(clientId) || !isOwn) throw refused(authority, "was named with scopes of another service");
}

/** Whether nobody on the way can read what is sent there. */
export const isPrivate = ({ protocol, hostname }: Pick<URL, "protocol" | "hostname">): boolean =>
  protocol === "https:" || (protocol === "http:" && isLoopback(hostname));

const refused = (authority: string, why: string): JobServiceError =>
  new JobServiceError("SignInFailed", `Nothing was sent to the issuer: ${authority} ${why}.`);
