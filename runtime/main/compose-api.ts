/** Composes authentication from the settings: token checks, and the public facts for signing in. */
import { readFile } from "node:fs/promises";
import { type Identify, LOCAL_CALLER, identifyAs } from "../api/auth/caller.ts";
import { createGrantsCache } from "../api/auth/grants-cache.ts";
import { createIdentify } from "../api/auth/identify.ts";
import { createSigningKeys, httpsJson } from "../api/auth/signing-keys.ts";
import { createTokenVerifier } from "../api/auth/token-verifier.ts";
import type { BellOutbox } from "../api/submit/bell-outbox.ts";
import { type AuthFacts, type AuthSettings, authFacts, issuerOf, metadataUrlOf } from "../core/http/auth-facts.ts";
import type { Logger } from "../core/logger.ts";
import type { TenantStore } from "../core/ports/tenant-store.ts";
import type { ApiSettings } from "../core/settings/api-settings.ts";
import type { JobEvents } from "../lifecycle/job-events.ts";
import { type TimerReconcile, createTimerReconcile } from "../timers/register/reconcile.ts";
import { type TimerRegistration, createTimerRegistration } from "../timers/register/registration.ts";
import { createVersionRuns } from "../timers/register/version-runs.ts";
import type { Services } from "./connect.ts";

export interface Auth {
  readonly identify: Identify;
  /** The response of `GET /v1/auth`. */
  readonly facts: AuthFacts;
  /** Stores for changing tenants and grants, so that this API process sees a change at once. */
  readonly tenants: TenantStore;
}

export interface AuthDeps {
  readonly auth: AuthSettings;
  readonly tenants: TenantStore;
  readonly log: Logger;
}

/** The issuer's responses have a few kilobytes and arrive within a second. Callers wait for them. */
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

// Composes the registration of packages' timers and the operations on them.

export interface ComposeTimersDeps {
  readonly connected: Pick<Services, "jobs" | "batches" | "packages" | "timers" | "timerSubscriptions">;
  readonly settings: Pick<ApiSettings, "pools" | "timerRegistration">;
  readonly outbox: BellOutbox;
  readonly events: JobEvents;
  readonly tenants: TenantStore;
  /** Called after timers were registered. */
  readonly onChange: () => void;
  readonly now: () => Date;
  /** Throws if this process's clock is wrong. */
  readonly trustedNow: () => Date;
  readonly log: Logger;
}

export interface ComposedTimers {
  readonly timerRegistration: TimerRegistration;
  readonly timerReconcile: TimerReconcile;
}

export function composeTimers(deps: ComposeTimersDeps): ComposedTimers {
  const { connected, settings, outbox, events, tenants, onChange, now, trustedNow, log } = deps;
  const { jobs, batches, packages, timers } = connected;
  const { pools } = settings;
  const subscriptions = settings.timerRegistration ? connected.timerSubscriptions() : undefined;
  const runForVersion = createVersionRuns({ batches, jobs, outbox, events, now });
  const timerRegistration = createTimerRegistration({
    ...{ packages, timers, subscriptions, pools, runForVersion, onChange, now: trustedNow, log },
  });
  const timerReconcile = createTimerReconcile({
    ...{ packages, tenants, timers, subscriptions, pools, log },
    registration: timerRegistration,
  });
  return { timerRegistration, timerReconcile };
}
