/**
 * Decides which issuers may receive a secret. The service names its authority, but a service may be hostile. The client
 * trusts Microsoft's own hosts and this machine. The user must name any other authority. A service must not request tokens
 * for another API, such as Microsoft Graph.
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

/** A copy, because the validator of that module is too large for a web page. */
const OWN_SCOPE: typeof USER_SCOPE = "access_as_user";

const GUID_PATTERN = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** The base address of the directory's endpoints. `named`: the authority that the user named. Throws SignInFailed. */
export function trustedIssuer(facts: EntraFacts, named?: string): URL {
  const { authority, tenantId } = facts;
  assertOwnScopes(facts);
  const url = URL.parse(authority);
  // Only scheme, host and port: no user name that looks like a host, no path to another directory.
  if (url === null || url.origin !== authority.replace(/\/$/, "").toLowerCase()) {
    throw refused(authority, "is not a valid address of an issuer");
  }
  if (!GUID_PATTERN.test(tenantId)) throw refused(authority, "was given with a directory that is not a GUID");
  if (!isPrivate(url)) throw refused(authority, "uses plain http, which exposes secrets. Use https");
  const isKnown = ENTRA_AUTHORITIES.has(url.origin) || isLoopback(url.hostname);
  if (!isKnown && URL.parse(named ?? "")?.origin !== url.origin) {
    throw refused(authority, "is not a Microsoft issuer. If you trust it, set `authority` or JOBYARD_AUTHORITY");
  }
  return new URL(`/${tenantId}/`, url);
}

/** Checks the issuer's metadata. Throws SignInFailed for an endpoint of another origin. */
export function ownEndpoint(endpoint: string, issuer: URL): string {
  if (URL.parse(endpoint)?.origin === issuer.origin) return endpoint;
  throw refused(issuer.origin, `has an endpoint of another origin, ${endpoint}`);
}

/** Prevents that a token for another API is sent to this service. Throws SignInFailed. */
export function assertOwnScopes({ clientId, applicationScope, userScope, authority }: EntraFacts): void {
  const own = `api://${clientId}/`;
  const isOwn = applicationScope === `${own}.default` && userScope === own + OWN_SCOPE;
  if (!GUID_PATTERN.test(clientId) || !isOwn) throw refused(authority, "was given with scopes of another service");
}

/** Whether the connection protects the data. */
export const isPrivate = ({ protocol, hostname }: Pick<URL, "protocol" | "hostname">): boolean =>
  protocol === "https:" || (protocol === "http:" && isLoopback(hostname));

const refused = (authority: string, why: string): JobServiceError =>
  new JobServiceError("SignInFailed", `No secret was sent to the issuer: ${authority} ${why}.`);
