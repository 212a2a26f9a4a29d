/** Two tenants, an API that knows callers by their tokens, and one beside it without authorization. */
import { randomUUID } from "node:crypto";
import { createGrantsCache } from "../../../runtime/api/auth/grants-cache.ts";
import { createSigningKeys, httpsJson } from "../../../runtime/api/auth/signing-keys.ts";
import { createIdentify } from "../../../runtime/api/auth/identify.ts";
import { createTokenVerifier } from "../../../runtime/api/auth/token-verifier.ts";
import { metadataUrlOf } from "../../../runtime/core/http/auth-facts.ts";
import type { AppRole, TenantAccess } from "../../../runtime/core/http/access.ts";
import type { TenantStore } from "../../../runtime/core/ports/tenant-store.ts";
import { letterQueue } from "../bus/letter-queue.ts";
import { silentLog } from "../silent.ts";
import { apiStores } from "../stores/api-stores.ts";
import { freshTenantName, LETTERS_AFTER, realPlace, type Place } from "./tenant-place.ts";
import { startTestApi, type TestApi } from "./test-api.ts";
import { startTestIssuer } from "../identity/test-issuer.ts";
import { openWire, type Wire } from "./wire.ts";

/** Access by tenant name. */
export type Grants = Readonly<Record<string, TenantAccess>>;

export interface TestCaller {
  readonly principalId: string;
  readonly role: AppRole | undefined;
  readonly grants: Grants;
  /** What the caller sends with every request. */
  readonly headers: { readonly authorization: string };
}

export interface TenancyLab extends AsyncDisposable {
  /** Two tenants, and a name no tenant has. All of one length. */
  readonly names: { readonly a: string; readonly b: string; readonly nobody: string };
  /** The one that is tested. */
  readonly api: TestApi;
  /** To it. */
  readonly wire: Wire;
  /** Makes what tests are about. */
  readonly open: TestApi;
  /** As the tested API has it: what is changed through it counts at once. */
  readonly tenants: TenantStore;
  callerWith(role: AppRole | undefined, grants: Grants): Promise<TestCaller>;
  place(tenantName: string): Place;
}

export async function startTenancyLab(): Promise<TenancyLab> {
  const issuer = await startTestIssuer();
  const keys = createSigningKeys({
    metadataUrl: metadataUrlOf(issuer.settings),
    issuer: issuer.issuer,
    fetchJson: (url) => httpsJson(url, { ca: issuer.ca, timeoutMs: 5_000, maxBytes: 10_000 }),
    monotonicNow: () => performance.now(),
    log: silentLog,
  });
  const stores = await apiStores();
  const grants = createGrantsCache({ store: stores.tenants, monotonicNow: () => performance.now() });
  const tenants = grants.store;
  const identify = createIdentify({ verify: createTokenVerifier({ settings: issuer.settings, keys }), grants });
  const letters = letterQueue(LETTERS_AFTER);
  const open = await startTestApi(letters.queue, { stores });
  const api = await startTestApi(letters.queue, { stores, identify });
  const wire = openWire(api.url);
  const names = { a: freshTenantName(), b: freshTenantName(), nobody: freshTenantName() };
  const created = { createdAt: new Date(), createdBy: "test" };
  await Promise.all([names.a, names.b].map((tenantName) => tenants.create({ tenantName, ...created })));

  return {
    names,
    api,
    wire,
    open,
    tenants,
    async callerWith(role, granted) {
      const principalId = randomUUID();
      const grant = { principalId, name: "Somebody", grantedAt: new Date(), grantedBy: "test" };
      await Promise.all(
        Object.entries(granted).map(([tenantName, access]) => tenants.putGrant({ ...grant, tenantName, access })),
      );
      const token = await issuer.token({ oid: principalId, roles: role === undefined ? [] : [role] });
      return { principalId, role, grants: granted, headers: { authorization: `Bearer ${token}` } };
    },
    place: (tenantName) => realPlace(tenantName, { api: open, letters }),
    async [Symbol.asyncDispose]() {
      wire[Symbol.dispose]();
      await Promise.all([open, api, issuer].map((one) => one[Symbol.asyncDispose]()));
    },
  };
}
