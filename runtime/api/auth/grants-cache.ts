/**
 * Keeps the grants of recent callers, so that not every request reads them. A grant that another process removes counts for
 * at most GRANTS_KEPT_MS. A change through this process counts at once.
 */
import type { TenantGrant, TenantStore } from "../../core/ports/tenant-store.ts";
import type { Clock } from "../../core/clock.ts";

export interface GrantsCache {
  /** Read at most `maxAgeMs` ago; default GRANTS_KEPT_MS. */
  grantsOf(principalId: string, maxAgeMs?: number): Promise<readonly TenantGrant[]>;
  /** The same store. A write through it takes effect here at once. */
  readonly store: TenantStore;
}

export interface GrantsCacheDeps {
  readonly store: TenantStore;
  /** Milliseconds on a clock that never jumps. */
  readonly monotonicNow: Clock["monotonicNow"];
}

/** How long a removed grant may still count, on every API instance. */
export const GRANTS_KEPT_MS = 30_000;
/** The caller that was read longest ago goes first. */
export const GRANTS_KEPT_CALLERS = 10_000;

interface Entry {
  readonly grants: Promise<readonly TenantGrant[]>;
  readonly readAt: number;
}

export function createGrantsCache({ store, monotonicNow }: GrantsCacheDeps): GrantsCache {
  const entries = new Map<string, Entry>();

  function read(principalId: string): Promise<readonly TenantGrant[]> {
    // The time before the read: a write during the read must not be missed for longer.
    const entry = { grants: store.grantsOf(principalId), readAt: monotonicNow() };
    // To the end: the order of insertion is the order of age.
    entries.delete(principalId);
    entries.set(principalId, entry);
    const [oldest] = entries.keys();
    if (entries.size > GRANTS_KEPT_CALLERS && oldest !== undefined) entries.delete(oldest);
    entry.grants.catch(() => {
      if (entries.get(principalId) === entry) entries.delete(principalId);
    });
    return entry.grants;
  }

  return {
    grantsOf(principalId, maxAgeMs = GRANTS_KEPT_MS) {
      const entry = entries.get(principalId);
      return entry !== undefined && monotonicNow() - entry.readAt < maxAgeMs ? entry.grants : read(principalId);
    },
    store: {
      ...store,
      // After the write: a read that began before it must not stay.
      async putGrant(grant) {
        await store.putGrant(grant).finally(() => entries.delete(grant.principalId));
      },
      async removeGrant(tenantName, principalId) {
        return store.removeGrant(tenantName, principalId).finally(() => entries.delete(principalId));
      },
      async remove(tenantName) {
        return store.remove(tenantName).finally(() => entries.clear());
      },
    },
  };
}
