import { beforeAll, describe, expect, it } from "vitest";
import {
  createSigningKeys,
  FETCH_AGAIN_MS,
  KEYS_MAX_AGE_MS,
  KEYS_REFRESH_MS,
  REFRESH_AGAIN_MS,
  UNKNOWN_KEY_FETCH_MS,
} from "../../../../runtime/api/auth/signing-keys.ts";
import { silentLog } from "../../../support/silent.ts";
import { newPair, type SigningPair } from "../../../support/identity/test-issuer.ts";

const ISSUER = "https://issuer.example/t/v2.0";
const METADATA_URL = `${ISSUER}/.well-known/openid-configuration`;
const KEYS_URL = "https://issuer.example/t/keys";

let one: SigningPair;
let two: SigningPair;

beforeAll(async () => {
  [one, two] = await Promise.all([newPair("one"), newPair("two")]);
});

/** An issuer whose answers the test sets, and a clock the test moves. */
function world() {
  const state = {
    now: 0,
    fetches: 0,
    metadataFetches: 0,
    metadata: { issuer: ISSUER, jwks_uri: KEYS_URL } as unknown,
    keySet: { keys: [one.jwk] } as unknown,
    down: false,
  };
  const keys = createSigningKeys({
    metadataUrl: METADATA_URL,
    issuer: ISSUER,
    monotonicNow: () => state.now,
    log: silentLog,
    fetchJson(url) {
      if (url === KEYS_URL) state.fetches++;
      else state.metadataFetches++;
      if (state.down) return Promise.reject(new Error("no answer"));
      return Promise.resolve(url === METADATA_URL ? state.metadata : state.keySet);
    },
  });
  return { state, keys };
}

const unavailable = { code: "IdentityUnavailable" };

describe("signing keys", () => {
  it("keys are fetched once for requests at the same time, and then kept", async () => {
    const { state, keys } = world();
    const found = await Promise.all(Array.from({ length: 50 }, () => keys.find("one")));
    expect(new Set(found).size).toBe(1);
    expect(found[0]).toMatch(/^-----BEGIN PUBLIC KEY-----/);
    await keys.find("one");
    expect(state.fetches).toBe(1);
  });

  it("that are new are found at once, also right after the first fetch", async () => {
    const { state, keys } = world();
    await keys.find("one");
    state.keySet = { keys: [two.jwk, one.jwk] };
    expect(await keys.find("two")).toBeDefined();
    expect(await keys.find("one")).toBeDefined();
    expect(state.fetches).toBe(2);
  });

  it(
    "nobody has are looked for at most once a minute, however many are asked for",
    { tags: "attack/tokens" },
    async () => {
      const { state, keys } = world();
      await keys.find("one");
      for (let round = 1; round <= 3; round++) {
        const made = Array.from({ length: 100 }, (_, i) => `made-up-${round}-${i}`);
        const found = await Promise.all(made.map((kid) => keys.find(kid)));
        for (const kid of made) expect(await keys.find(kid)).toBeUndefined();
        expect(found.every((pem) => pem === undefined)).toBe(true);
        expect(state.fetches).toBe(1 + round);
        state.now += UNKNOWN_KEY_FETCH_MS - 1;
        expect(await keys.find("made-up")).toBeUndefined();
        expect(state.fetches).toBe(1 + round);
        state.now += 1;
      }
    },
  );

  it("stay known while the issuer is away; unknown ones are neither accepted nor called wrong", async () => {
    const { state, keys } = world();
    await keys.find("one");
    state.down = true;
    expect(await keys.find("one")).toBeDefined();
    await expect(keys.find("two")).rejects.toMatchObject(unavailable);
    await expect(keys.find("two")).rejects.toMatchObject(unavailable);
    state.now += KEYS_MAX_AGE_MS - 1;
    expect(await keys.find("one")).toBeDefined();
  });

  it("keys that were not confirmed for a day are not used", async () => {
    const { state, keys } = world();
    await keys.find("one");
    state.down = true;
    state.now += KEYS_MAX_AGE_MS;
    await expect(keys.find("one")).rejects.toMatchObject(unavailable);
    state.down = false;
    state.now += FETCH_AGAIN_MS;
    expect(await keys.find("one")).toBeDefined();
  });

  it("keys are refreshed after an hour while requests go on, and a withdrawn key is dropped", async () => {
    const { state, keys } = world();
    await keys.find("one");
    state.keySet = { keys: [two.jwk] };
    state.now += KEYS_REFRESH_MS;
    expect(await keys.find("one")).toBeDefined();
    expect(await keys.find("two")).toBeDefined();
    expect(await keys.find("one")).toBeUndefined();
    expect(state.fetches).toBe(3);
  });

  it("old keys stay valid while the issuer is unavailable, and it is called once a minute", async () => {
    const { state, keys } = world();
    await keys.find("one");
    state.down = true;
    state.metadataFetches = 0;
    state.now += KEYS_REFRESH_MS;
    for (let i = 0; i < 300; i++) {
      expect(await keys.find("one")).toBeDefined();
      state.now += REFRESH_AGAIN_MS / 100;
    }
    expect(state.metadataFetches).toBe(3);
  });

  it("that cannot be fetched make it unavailable, and the issuer is left alone for a moment", async () => {
    const { state, keys } = world();
    state.down = true;
    await Promise.all(Array.from({ length: 20 }, () => expect(keys.find("one")).rejects.toMatchObject(unavailable)));
    state.down = false;
    await expect(keys.find("one")).rejects.toMatchObject(unavailable);
    state.now += FETCH_AGAIN_MS;
    expect(await keys.find("one")).toBeDefined();
  });

  it("of answers that make no sense count as none", { tags: "attack/tokens" }, async () => {
    for (const keySet of [null, "keys", [], {}, { keys: {} }, { keys: [] }, { keys: [null, 7, {}, { kid: "one" }] }]) {
      const { state, keys } = world();
      state.keySet = keySet;
      await expect(keys.find("one")).rejects.toMatchObject(unavailable);
    }
    for (const metadata of [
      null,
      {},
      { issuer: ISSUER },
      { issuer: "https://issuer.example/other/v2.0", jwks_uri: KEYS_URL },
      { issuer: ISSUER, jwks_uri: "http://issuer.example/t/keys" },
    ]) {
      const { state, keys } = world();
      state.metadata = metadata;
      await expect(keys.find("one")).rejects.toMatchObject(unavailable);
      expect(state.fetches).toBe(0);
    }
  });

  it("of other kinds, other uses, or too short are passed over", { tags: "attack/tokens" }, async () => {
    const { state, keys } = world();
    const short = "sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri23bOdgWp4Dy1WlUzewbgBHod5pcM9H95GQRV3JDXbo";
    state.keySet = {
      keys: [
        { kty: "oct", kid: "secret", k: "AAAA" },
        { kty: "EC", kid: "curve", crv: "P-256", x: "a", y: "b" },
        { ...two.jwk, kid: "encryption", use: "enc" },
        { ...two.jwk, kid: "other", alg: "RS512" },
        { kty: "RSA", kid: "short", n: short, e: "AQAB" },
        { kty: "RSA", kid: "empty", n: "", e: "" },
        one.jwk,
      ],
    };
    expect(await keys.find("one")).toBeDefined();
    for (const kid of ["secret", "curve", "encryption", "other", "short", "empty"]) {
      expect(await keys.find(kid)).toBeUndefined();
    }
  });
});
