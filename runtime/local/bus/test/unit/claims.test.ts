// Tokens, what they allow on a connection, and for how long.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { SignJWT } from "jose";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { AccessList } from "../../access/access-file.ts";
import { type AccessUse, Claims, connectionAudit, watchClaim } from "../../access/claims.ts";
import { type Bearer, TOLERANCE_S, createGate, createTokenVerifier } from "../../access/gate.ts";
import type { Assignment } from "../../access/rights.ts";
import { BusError } from "../../engine/errors.ts";
import { startBusTokens, type BusTokens } from "../support/tokens.ts";
import { newPair, nowS } from "../../../../../test/support/identity/test-issuer.ts";

let tokens: BusTokens;
beforeAll(async () => {
  tokens = await startBusTokens();
});
afterAll(() => tokens[Symbol.asyncDispose]());

describe("an access token", () => {
  const verify = createTokenVerifier({ now: Date.now });
  const outcome = async (token: string): Promise<unknown> =>
    verify(token, tokens.list()).catch((error: unknown) => {
      if (error instanceof BusError && error.code === "unauthorized") return error.message;
      throw error;
    });

  test.each(["", "/", "//"])("is accepted for the audience with %j at its end", async (slashes) => {
    const exp = nowS() + 60;
    const token = await tokens.token("p", { aud: `https://servicebus.azure.net${slashes}`, exp });
    expect(await outcome(token)).toEqual({ principalId: "p", expiresAt: (exp + TOLERANCE_S) * 1_000 });
  });

  test("is accepted within the tolerance before and after its time", async () => {
    const token = await tokens.token("p", { nbf: nowS() + 2, exp: nowS() - 2 });
    expect(await outcome(token)).toMatchObject({ principalId: "p" });
  });

  test.each<[string, object, RegExp]>([
    ["that has expired", { exp: 1_000 }, /^ExpiredToken: .*'1970-01-01T00:16:40\.000Z'/],
    ["without an end", { exp: undefined }, /^InvalidToken: .*'exp'/],
    ["from the future", { nbf: nowS() + 600 }, /^InvalidToken: .*not valid yet/],
    ["of another issuer", { iss: "https://other.example/" }, /^InvalidIssuer/],
    ["for another service", { aud: "https://storage.azure.com" }, /^InvalidAudience/],
    ["for a service with a longer name", { aud: "https://servicebus.azure.net.example" }, /^InvalidAudience/],
    ["of nobody", { oid: undefined }, /^InvalidToken: .*'oid'/],
  ])("%s is refused", async (_what, claims, message) => {
    expect(await outcome(await tokens.token("p", claims))).toMatch(message);
  });

  test("signed with another key, another algorithm or not at all is refused", async () => {
    const [head = "", body = "", signature = ""] = (await tokens.token("p")).split(".");
    const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");
    const forged = encode({ iss: "https://issuer.example/v2.0", oid: "admin", exp: nowS() + 60 });
    expect(await outcome(`${head}.${forged}.${signature}`)).toMatch(/^InvalidSignature/);
    expect(await outcome(`${encode({ alg: "none" })}.${body}.`)).toMatch(/^InvalidSignature/);
    const secret = Buffer.from(JSON.stringify(tokens.pair.jwk));
    const header = { alg: "HS256", kid: tokens.pair.kid };
    expect(await outcome(await new SignJWT({ oid: "p" }).setProtectedHeader(header).sign(secret))).toMatch(
      /^InvalidSignature/,
    );
    expect(await outcome(await tokens.token("p", {}, { kid: "unknown" }))).toMatch(/^InvalidSignature/);
    expect(await outcome("no token")).toMatch(/^MalformedToken/);
  });

  test("is verified with keys from a URL, and is not refused when the URL is unavailable", async () => {
    const pair = await newPair(tokens.pair.kid);
    const published = { keys: [tokens.pair.jwk] };
    const server = createServer((_request, response) => response.end(JSON.stringify(published)));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
    const list = { ...tokens.list(), keys: { kind: "url", url } } as const;
    const token = await tokens.token("p");
    expect(await verify(token, list)).toMatchObject({ principalId: "p" });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(await verify(token, list)).toMatchObject({ principalId: "p" });
    const fresh = createTokenVerifier({ now: Date.now });
    await expect(fresh(token, list)).rejects.not.toBeInstanceOf(BusError);
    const strangers: AccessList = { ...tokens.list(), keys: { kind: "keys", keys: { keys: [pair.jwk] } } };
    await expect(verify(token, strangers)).rejects.toThrow(/^InvalidSignature/);
  });
});

describe("the gate", () => {
  const send: Assignment = { principalId: "p", entity: "q", rights: ["send"] };

  test("applies a new right at once, and a removed right until the next token", async () => {
    let assignments: Assignment[] = [];
    const gate = createGate({
      sasKey: { name: "n", key: "k" },
      now: Date.now,
      access: () => tokens.list(assignments),
      verify: createTokenVerifier({ now: Date.now }),
    });
    const brought = { kind: "jwt", token: await tokens.token("p"), audience: "sb://host/q" } as const;
    const bearer = await gate(brought);
    expect(bearer.allows("send", "q")).toBe(false);
    assignments = [send];
    expect(bearer.allows("send", "q")).toBe(true);
    const later = await gate(brought);
    assignments = [];
    expect(later.allows("send", "q")).toBe(true);
    expect((await gate(brought)).allows("send", "q")).toBe(false);
  });

  test("refuses access tokens without an access list", async () => {
    const gate = createGate({
      sasKey: { name: "n", key: "k" },
      now: Date.now,
      verify: () => Promise.reject(new Error()),
    });
    const brought = { kind: "jwt", token: await tokens.token("p"), audience: "sb://host/q" } as const;
    await expect(gate(brought)).rejects.toThrow(/not a shared access signature/);
  });
});

describe("the claims of a connection", () => {
  let now = 1_000;
  let heard: AccessUse[] = [];
  let claims: Claims;
  const bearer = (change: Partial<Bearer> = {}): Bearer => ({
    ...{ principalId: "p", expiresAt: 10_000, allows: (right) => right === "listen" },
    ...change,
  });

  beforeEach(() => {
    now = 1_000;
    heard = [];
    claims = new Claims({
      now: () => now,
      audit: connectionAudit((use) => heard.push(use)),
      namespace: "sb://127.0.0.1",
    });
  });

  test("allow the rights of a token on its path until it expires", () => {
    claims.put("q", bearer());
    expect(claims.demand("Q/$DeadLetterQueue", "listen")).toBe(10_000);
    expect(() => claims.demand("q", "send")).toThrow(
      "Unauthorized access. 'Send' claim(s) are required to perform this operation. Resource: 'sb://127.0.0.1/q'.",
    );
    expect(() => claims.demand("q2", "listen")).toThrow(/'Listen' claim.*sb:\/\/127\.0\.0\.1\/q2'.*No token/);
    now = 10_000;
    expect(() => claims.demand("q", "listen")).toThrow(/'Listen' claim.*ExpiredToken: .*00:00:10\.000Z/);
    claims.put("q", bearer({ expiresAt: 20_000 }));
    expect(claims.demand("q", "listen")).toBe(20_000);
  });

  test("audit each use and refusal once, and again when the answer changes", () => {
    let may = true;
    claims.put("q", bearer({ allows: () => may }));
    for (let count = 0; count < 3; count++) claims.demand("q/$management", "listen");
    claims.demand("q", "send");
    may = false;
    for (let count = 0; count < 3; count++) expect(() => claims.demand("q", "listen")).toThrow();
    claims.refused("q", "ExpiredToken");
    expect(heard).toEqual([
      { principalId: "p", entity: "q", right: "listen", allowed: true },
      { principalId: "p", entity: "q", right: "send", allowed: true },
      {
        principalId: "p",
        entity: "q",
        right: "listen",
        allowed: false,
        reason: expect.stringMatching(/'Listen'/) as string,
      },
      { principalId: null, entity: "q", right: null, allowed: false, reason: "ExpiredToken" },
    ]);
  });

  describe("behind an open link", () => {
    const lost: string[] = [];
    let stop: () => void;

    beforeEach(() => {
      vi.useFakeTimers();
      lost.length = 0;
      claims.put("q", bearer());
      stop = watchClaim({
        ...{ claims, path: "q", right: "listen", until: claims.demand("q", "listen"), now: () => now },
        onLost: (error) => lost.push((error as Error).message),
      });
    });
    afterEach(() => {
      stop();
      vi.useRealTimers();
    });
    const passUntil = (instant: number): void => {
      const passed = instant - now;
      now = instant;
      vi.advanceTimersByTime(passed);
    };

    test("close the link when they expire", () => {
      passUntil(9_999);
      expect(lost).toEqual([]);
      passUntil(10_000);
      expect(lost).toEqual([expect.stringMatching(/'Listen' claim.*ExpiredToken/)]);
      passUntil(50_000);
      expect(lost).toHaveLength(1);
    });

    test("keep the link open while they are renewed, and close it when renewal stops", () => {
      passUntil(5_000);
      claims.put("q", bearer({ expiresAt: 30_000 }));
      passUntil(29_999);
      expect(lost).toEqual([]);
      passUntil(30_000);
      expect(lost).toHaveLength(1);
    });

    test("close the link when the old token expires and the new one does not allow it", () => {
      claims.put("q", bearer({ expiresAt: 30_000, allows: () => false }));
      passUntil(9_999);
      expect(lost).toEqual([]);
      passUntil(10_000);
      expect(lost).toEqual([expect.stringMatching(/'Listen' claim/)]);
    });

    test("do nothing after the link has ended", () => {
      stop();
      passUntil(20_000);
      expect(lost).toEqual([]);
    });

    test("are checked again when the clock is behind the timer", () => {
      vi.advanceTimersByTime(9_000);
      expect(lost).toEqual([]);
      now = 10_000;
      vi.advanceTimersByTime(9_000);
      expect(lost).toHaveLength(1);
    });
  });
});
