import { describe, expect, it } from "vitest";
import { createGrantsCache, GRANTS_KEPT_CALLERS, GRANTS_KEPT_MS } from "../../../../runtime/api/auth/grants-cache.ts";
import type { TenantGrant, TenantStore } from "../../../../runtime/core/ports/tenant-store.ts";
import { APPLICATION, USER } from "../../../support/identity/test-issuer.ts";

const grant = (principalId: string): TenantGrant => ({
  principalId,
  tenantName: "acme",
  access: "read",
  name: "",
  grantedAt: new Date(0),
  grantedBy: "",
});

function world() {
  const state = { now: 0, reads: 0, down: false, grants: new Map<string, TenantGrant>() };
  const store: Pick<TenantStore, "grantsOf" | "putGrant" | "removeGrant" | "remove"> = {
    async grantsOf(principalId) {
      state.reads++;
      await Promise.resolve();
      if (state.down) throw new Error("away");
      return [...state.grants.values()].filter((one) => one.principalId === principalId);
    },
    async putGrant(one) {
      // Lands later than a read that began after it.
      await new Promise((resolve) => setImmediate(resolve));
      state.grants.set(one.principalId, one);
    },
    async removeGrant(_tenantName, principalId) {
      await Promise.resolve();
      return state.grants.delete(principalId);
    },
    async remove() {
      await Promise.resolve();
      state.grants.clear();
      return true;
    },
  };
  return { state, cache: createGrantsCache({ store: store as TenantStore, monotonicNow: () => state.now }) };
}

describe("grants of a caller", () => {
  it("grants are read once for callers at the same time", async () => {
    const { state, cache } = world();
    state.grants.set(USER, grant(USER));
    await Promise.all(Array.from({ length: 20 }, () => cache.grantsOf(USER)));
    state.now += GRANTS_KEPT_MS - 1;
    expect(await cache.grantsOf(USER)).toHaveLength(1);
    expect(state.reads).toBe(1);
  });

  it("taken away elsewhere end after the time they are kept", async () => {
    const { state, cache } = world();
    state.grants.set(USER, grant(USER));
    await cache.grantsOf(USER);
    state.grants.clear();
    state.now += GRANTS_KEPT_MS - 1;
    expect(await cache.grantsOf(USER)).toHaveLength(1);
    state.now += 1;
    expect(await cache.grantsOf(USER)).toHaveLength(0);
  });

  it("changed through it are seen at once, also by a read that began before", async () => {
    const { cache } = world();
    const early = cache.grantsOf(USER);
    const putting = cache.store.putGrant(grant(USER));
    const meanwhile = cache.grantsOf(USER);
    await putting;
    expect(await cache.grantsOf(USER)).toHaveLength(1);
    await Promise.all([early, meanwhile]);
    expect(await cache.grantsOf(USER)).toHaveLength(1);
    await cache.store.removeGrant("acme", USER);
    expect(await cache.grantsOf(USER)).toHaveLength(0);
    await cache.store.putGrant(grant(USER));
    await cache.grantsOf(USER);
    await cache.store.remove("acme");
    expect(await cache.grantsOf(USER)).toHaveLength(0);
  });

  it("grants that could not be read are read again", async () => {
    const { state, cache } = world();
    state.down = true;
    await expect(cache.grantsOf(USER)).rejects.toThrow("away");
    state.down = false;
    expect(await cache.grantsOf(USER)).toEqual([]);
  });

  it("are kept for a bounded number of callers, the earliest forgotten first", async () => {
    const { state, cache } = world();
    await cache.grantsOf(USER);
    for (let i = 0; i < GRANTS_KEPT_CALLERS; i++) await cache.grantsOf(`caller-${i}`);
    const before = state.reads;
    await cache.grantsOf(`caller-0`);
    expect(state.reads).toBe(before);
    await cache.grantsOf(USER);
    await cache.grantsOf(APPLICATION);
    expect(state.reads).toBe(before + 2);
  });
});
