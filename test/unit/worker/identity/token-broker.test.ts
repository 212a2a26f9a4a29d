import { beforeEach, describe, expect, it } from "vitest";
import { IDENTITY_GRANT_FOR_MS, TOKENS_AT_ONCE, TOKENS_PER_MINUTE } from "../../../../runtime/core/limits.ts";
import { type TokenBroker, createTokenBroker } from "../../../../runtime/worker/identity/token-broker.ts";
import { createMemoryIdentityGrants } from "../../../support/stores/memory-settings.ts";
import { silentLog } from "../../../support/silent.ts";

const VAULT = "https://vault.azure.net";
const SCOPES = [`${VAULT}/.default`];
const ISSUED = { token: "a token", expiresOnTimestamp: 1_000 };

let time = 0;
let lookups = 0;
let given: string[];
let gate: () => Promise<void>;
let store: ReturnType<typeof createMemoryIdentityGrants>;
let broker: TokenBroker;
let lost: AbortController;
beforeEach(() => {
  [time, lookups, given] = [0, 0, []];
  gate = () => Promise.resolve();
  store = createMemoryIdentityGrants();
  lost = new AbortController();
  broker = createTokenBroker({
    credential: {
      isDevelopers: false,
      async getToken(audience) {
        given.push(audience);
        await gate();
        return ISSUED;
      },
    },
    grants: { get: (...key) => (lookups++, store.get(...key)) },
    pool: "default",
    monotonicNow: () => time,
  });
});

const grant = (tenantName: string, pool = "default") =>
  store.put({ tenantName, pool, audiences: [VAULT], grantedAt: new Date(0), grantedBy: "test" });
const open = (tenantName = "acme") => broker.open({ tenantName, declared: [VAULT], lost: lost.signal, log: silentLog });

describe("a token broker", { tags: "attack/jobs" }, () => {
  it("gives a token to a tenant with a grant on this pool, and to no other", async () => {
    await grant("acme");
    await grant("other", "gpu");
    expect(await open()(SCOPES)).toEqual({ issued: ISSUED });
    expect(await open("other")(SCOPES)).toMatchObject({ refused: expect.stringContaining("not granted") as string });
    expect(given).toEqual([VAULT]);
  });

  it("follows a revoked grant within a short time", async () => {
    await grant("acme");
    const ask = open();
    await ask(SCOPES);
    await store.remove("acme", "default");
    time += IDENTITY_GRANT_FOR_MS;
    expect(await ask(SCOPES)).toHaveProperty("refused");
  });

  it("gives no token after the lock is lost, nor one that was made meanwhile", async () => {
    await grant("acme");
    const ask = open();
    const opened = Promise.withResolvers<undefined>();
    gate = () => opened.promise;
    const asking = ask(SCOPES);
    await expect.poll(() => given).toEqual([VAULT]);
    lost.abort();
    opened.resolve(undefined);
    expect(await asking).toMatchObject({ refused: expect.stringContaining("another worker") as string });
    expect(await ask(SCOPES)).toHaveProperty("refused");
    expect(given).toEqual([VAULT]);
  });

  it("lets a flood reach neither the table nor the identity", async () => {
    await grant("acme");
    const ask = open();
    const opened = Promise.withResolvers<undefined>();
    gate = () => opened.promise;
    const flood = Array.from({ length: 1_000 }, () => ask(SCOPES));
    await expect.poll(() => given.length).toBe(TOKENS_AT_ONCE);
    opened.resolve(undefined);
    const answers = await Promise.all(flood);
    expect(answers.filter((answer) => "issued" in answer)).toHaveLength(TOKENS_AT_ONCE);
    for (let i = 0; i < 2 * TOKENS_PER_MINUTE; i++) await ask(SCOPES);
    expect(given).toHaveLength(TOKENS_PER_MINUTE);
    expect(lookups).toBe(1);
    time += 60_000;
    expect(await ask(SCOPES)).toEqual({ issued: ISSUED });
  });

  it("serves what it has taken, however many ask behind it", async () => {
    await grant("acme");
    const ask = open();
    const first = Array.from({ length: TOKENS_AT_ONCE }, () => ask(SCOPES));
    const flood = Array.from({ length: 100 }, () => ask(SCOPES));
    expect(await Promise.all(first)).toEqual(Array(TOKENS_AT_ONCE).fill({ issued: ISSUED }));
    expect((await Promise.all(flood)).every((answer) => "refused" in answer)).toBe(true);
  });

  it("asks no table for audiences that the package does not declare", async () => {
    await grant("acme");
    expect(await open()(["https://management.azure.com/.default"])).toHaveProperty("refused");
    expect([lookups, given]).toEqual([0, []]);
  });

  it("says nothing of why no token could be got", async () => {
    await grant("acme");
    gate = () => Promise.reject(new Error("a secret of the platform"));
    expect(await open()(SCOPES)).toEqual({ refused: "The token could not be got now. Try again." });
  });
});
