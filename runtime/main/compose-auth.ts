/** Puts authentication together as the settings say: who calls the API, and what anybody may know of signing in. */
import { readFile } from "node:fs/promises";
import { createGrantsCache } from "../api/auth/grants-cache.ts";
import { httpsJson } from "../api/auth/https-json.ts";
import { createIdentify } from "../api/auth/identify.ts";
import { createSigningKeys } from "../api/auth/signing-keys.ts";
import { createTokenVerifier } from "../api/auth/token-verifier.ts";
import { identifyAs, LOCAL_CALLER, type Identify } from "../api/caller.ts";
import { authFacts, issuerOf, metadataUrlOf, type AuthFacts, type AuthSettings } from "../core/auth-facts.ts";
import type { Logger } from "../core/logger.ts";
import type { TenantStore } from "../core/ports/tenant-store.ts";

export interface Auth {
  readonly identify: Identify;
  /** The answer of `GET /v1/auth`. */
  readonly facts: AuthFacts;
  /** To write tenants and grants through: the API then notices at once. */
  readonly tenants: TenantStore;
}

export interface AuthDeps {
  readonly auth: AuthSettings;
  readonly tenants: TenantStore;
  readonly log: Logger;
}

/** The issuer's answers are a few kilobytes and come within a second; callers wait for them. */
const ISSUER_TIMEOUT_MS = 5_000;
const ISSUER_ANSWER_MAX_BYTES = 1024 * 1024;

export async function composeAuth({ auth, tenants, log }: AuthDeps): Promise<Auth> {
  const facts = authFacts(auth);
  if (auth.kind === "none") return { identify: identifyAs(LOCAL_CALLER), facts, tenants };

  const ca = auth.caFile === undefined ? undefined : await readFile(auth.caFile, "utf8");
  const now = (): number => performance.now();
  const keys = createSigningKeys({
    metadataUrl: metadataUrlOf(auth),
    issuer: issuerOf(auth),
    fetchJson: (url) => httpsJson(url, { ca, timeoutMs: ISSUER_TIMEOUT_MS, maxBytes: ISSUER_ANSWER_MAX_BYTES }),
    now,
    log,
  });
  const grants = createGrantsCache({ store: tenants, now });
  const verify = createTokenVerifier({ settings: auth, keys });
  return { identify: createIdentify({ verify, grants }), facts, tenants: grants.store };
}
