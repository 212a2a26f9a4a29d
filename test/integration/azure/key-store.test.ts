/** Keys over what goes wrong with storage, and their sweep; what the port promises is in ports/key-store.test.ts. */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createKeyStore } from "../../../runtime/azure/index.ts";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import { keysExpireBefore } from "../../../runtime/core/job/keys.ts";
import type { KeyWish } from "../../../runtime/core/ports/key-store.ts";
import { createKeySweep } from "../../../runtime/sweeper/sweeper.ts";
import { type Fate, isTransaction, startStorageProxy } from "../../support/stores/storage-proxy.ts";
import { freshTenant, ownStorage, testStorage } from "../../support/stores/test-storage.ts";

// The sweep removes what has expired of all tenants.
const account = await ownStorage("keysweep");
const keys = createKeyStore({ storage: testStorage(account) });
const DAY_MS = 24 * 60 * 60_000;
const expired = (): Date => keysExpireBefore(new Date());

const wishOf = (key: string, fields: Partial<KeyWish> = {}): KeyWish => ({
  kind: "idempotency-key",
  key,
  id: `id-${randomUUID()}`,
  requestHash: "hash",
  createdAt: new Date(),
  ...fields,
});

const many = (count: number): readonly KeyWish[] => Array.from({ length: count }, (_, i) => wishOf(`key ${i}`));
const idsOf = (records: readonly { readonly id: string }[]): readonly string[] => records.map(({ id }) => id);

describe("keys whose write is not answered", () => {
  const fates: readonly Fate[] = ["drop", "lose", "late", "fail", "fail-after"];

  it.each(fates)("(%s) stand for what they were meant for", async (fate) => {
    await using proxy = await startStorageProxy(account);
    const cut = createKeyStore({ storage: testStorage(proxy.connectionString) });
    const tenant = freshTenant();
    const [taken] = await keys.reserve(tenant, [wishOf("key 3")], expired());
    let broken = 0;
    proxy.decide = (request) => (isTransaction(request) && broken++ < 2 ? fate : "pass");
    const wishes = many(20);
    const answer = await cut.reserve(tenant, wishes, expired());
    await proxy.releaseLate();
    expect(idsOf(answer)).toEqual(idsOf(wishes).map((id, index) => (index === 3 ? taken!.id : id)));
    const stored = await keys.find(tenant, wishes, expired());
    expect(stored.map((record) => record?.id)).toEqual(idsOf(answer));
    expect(broken).toBeGreaterThan(1);
  });

  it("for too long are an outage", async () => {
    await using proxy = await startStorageProxy(account);
    const cut = createKeyStore({ storage: testStorage(proxy.connectionString) });
    proxy.decide = (request) => (isTransaction(request) ? "fail" : "pass");
    await expect(cut.reserve(freshTenant(), many(2), expired())).rejects.toBeInstanceOf(UnavailableError);
  });
});

describe("sweeping keys", () => {
  it("removes those that have expired and no others, then rests for an hour", async () => {
    const tenant = freshTenant();
    let nowMs = Date.now();
    const before = [
      wishOf("old", { createdAt: new Date(nowMs - 8 * DAY_MS) }),
      wishOf("young", { createdAt: new Date(nowMs - 6 * DAY_MS) }),
      wishOf("job", { kind: "job-id", createdAt: new Date(nowMs - 400 * DAY_MS) }),
    ];
    await keys.reserve(tenant, before, new Date(0));
    const left = async () => (await keys.find(tenant, before, new Date(0))).map((record) => record?.id);
    let calls = 0;
    const keySweep = createKeySweep({
      keys: {
        removeExpired: (...args) => {
          calls++;
          return keys.removeExpired(...args);
        },
      },
      now: () => new Date(nowMs),
    });
    expect(await keySweep.sweep()).toBeGreaterThanOrEqual(1);
    expect(await left()).toEqual([undefined, before[1]!.id, before[2]!.id]);
    const sweptCalls = calls;
    await keySweep.sweep();
    expect(calls).toBe(sweptCalls);
    nowMs += 3_600_000;
    await keySweep.sweep();
    expect(calls).toBe(sweptCalls + 1);
  });

  it("goes on where it stopped, a page at a time, and leaves what was given anew", async () => {
    const tokens = [undefined, "a", "b", undefined];
    const asked: (string | undefined)[] = [];
    const keySweep = createKeySweep({
      now: () => new Date(),
      keys: {
        removeExpired: (_before, token) => {
          asked.push(token);
          return Promise.resolve({ removed: 1, continuationToken: tokens[asked.length] });
        },
      },
    });
    for (let round = 0; round < 5; round++) await keySweep.sweep();
    expect(asked).toEqual([undefined, "a", "b"]);
  });
});
