import type { Request } from "express";
import { describe, expect, it } from "vitest";
import type { Identity } from "../../../../runtime/api/auth/identity.ts";
import { keepVerified } from "../../../../runtime/api/auth/verified-tokens.ts";
import { UnauthenticatedError } from "../../../../runtime/core/errors.ts";
import { TOKENS_KEPT_MAX_COUNT, TOKENS_KEPT_MS } from "../../../../runtime/core/limits.ts";
import { DIRECTORY, USER } from "../../../support/identity/test-issuer.ts";

const HOUR_MS = 3_600_000;

/** A verifier that accepts what begins with `good` while its key counts, and the times of each check. */
function world() {
  const state = { ms: 0, startedAt: Date.parse("2030-01-01"), checked: [] as string[], keyCounts: true };
  const now = (): Date => new Date(state.startedAt + state.ms);
  const identityOf = (name: string): Identity => ({
    kind: "user",
    principalId: USER,
    name,
    roles: ["Jobs.Read"],
    directoryId: DIRECTORY,
    expiresAt: state.startedAt + HOUR_MS,
  });
  const verify = keepVerified(
    async ({ headers: { authorization = "" } }) => {
      state.checked.push(authorization);
      await Promise.resolve();
      if (!authorization.startsWith("Bearer good") || !state.keyCounts) throw new UnauthenticatedError("Wrong.");
      return identityOf(authorization);
    },
    { now, monotonicNow: () => state.ms },
  );
  const ask = (token?: string): Promise<Identity> =>
    verify({ headers: token === undefined ? {} : { authorization: `Bearer ${token}` } } as unknown as Request);
  return { state, ask };
}

describe("verified tokens", () => {
  it("are checked once in the time they are kept, and then again", async () => {
    const { state, ask } = world();
    for (let i = 0; i < 5; i++) expect(await ask("good")).toMatchObject({ name: "Bearer good" });
    expect(state.checked).toHaveLength(1);
    state.ms += TOKENS_KEPT_MS - 1;
    await ask("good");
    expect(state.checked).toHaveLength(1);
    state.ms += 1;
    await ask("good");
    expect(state.checked).toHaveLength(2);
  });

  it("are told apart, also when they differ in the signature only", { tags: "attack/tokens" }, async () => {
    const { ask } = world();
    await ask("good.payload.signature");
    expect((await ask("good.payload.other")).name).toBe("Bearer good.payload.other");
    await expect(ask("bad.payload.signature")).rejects.toThrow(UnauthenticatedError);
    await expect(ask()).rejects.toThrow(UnauthenticatedError);
  });

  it("do not include one that was refused", { tags: "attack/tokens" }, async () => {
    const { state, ask } = world();
    for (let i = 0; i < 3; i++) await expect(ask("bad")).rejects.toThrow(UnauthenticatedError);
    expect(state.checked).toHaveLength(3);
  });

  it("end with a key that is withdrawn, after the time they are kept", { tags: "attack/tokens" }, async () => {
    const { state, ask } = world();
    await ask("good");
    state.keyCounts = false;
    state.ms += TOKENS_KEPT_MS;
    await expect(ask("good")).rejects.toThrow(UnauthenticatedError);
    state.keyCounts = true;
    await ask("good");
    expect(state.checked).toHaveLength(3);
  });

  it("are checked at every request once they have expired", { tags: "attack/tokens" }, async () => {
    const { state, ask } = world();
    state.ms = HOUR_MS - 1;
    await ask("good");
    await ask("good");
    expect(state.checked).toHaveLength(1);
    state.ms = HOUR_MS;
    state.keyCounts = false;
    await expect(ask("good")).rejects.toThrow(UnauthenticatedError);
  });

  it("are dropped from the oldest on when a caller brings too many", { tags: "attack/tokens" }, async () => {
    const { state, ask } = world();
    for (let i = 0; i <= TOKENS_KEPT_MAX_COUNT; i++) await ask(`good ${i}`);
    state.checked.length = 0;
    await ask(`good ${TOKENS_KEPT_MAX_COUNT}`);
    await ask("good 1");
    expect(state.checked).toEqual([]);
    await ask("good 0");
    expect(state.checked).toEqual(["Bearer good 0"]);
  });
});
