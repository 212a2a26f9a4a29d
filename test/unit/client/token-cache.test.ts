import { describe, expect, it } from "vitest";
import type { AccessToken } from "../../../runtime/client/credential.ts";
import { JobServiceError } from "../../../runtime/client/job-service-error.ts";

import { createTokenCache } from "../../../runtime/client/token-cache.ts";
import { eventually } from "../../support/eventually.ts";
import { callRetryPolicy } from "../../../runtime/client/with-retries.ts";

const HOUR_MS = 60 * 60_000;

function cacheOf(give: (call: number) => AccessToken | null, lifeClock = { now: 0 }) {
  const asked: string[][] = [];
  const credential = {
    getToken: async (scopes: string | string[]) => {
      asked.push([scopes].flat());
      await Promise.resolve();
      return give(asked.length);
    },
  };
  const cache = createTokenCache({
    credential,
    scope: () => Promise.resolve("api://x/.default"),
    policy: callRetryPolicy({ firstDelayMs: 1, maxDelayMs: 2, maxAttempts: 3 }),
    nowMs: () => lifeClock.now,
  });
  return { cache, asked, clock: lifeClock };
}

/** Lets a request that nobody waits for end. */
const settled = (): Promise<unknown> => new Promise((resolve) => setImmediate(resolve));

describe("a kept token", () => {
  it("serves all callers, is renewed shortly before it expires, and is requested once for concurrent callers", async () => {
    const { cache, asked, clock } = cacheOf((call) => ({
      token: `t${call}`,
      expiresOnTimestamp: clock.now + HOUR_MS,
    }));
    expect(await Promise.all([cache(), cache(), cache()])).toEqual(["t1", "t1", "t1"]);
    clock.now = 54 * 60_000;
    expect(await cache()).toBe("t1");
    clock.now = 56 * 60_000;
    expect(await cache()).toBe("t1");
    await eventually(async () => expect(await cache()).toBe("t2"));
    expect(await cache({ fresh: true })).toBe("t3");
    expect(asked).toEqual([["api://x/.default"], ["api://x/.default"], ["api://x/.default"]]);
  });

  it("with a short life is used for half of it", async () => {
    const { cache, clock } = cacheOf((call) => ({ token: `t${call}`, expiresOnTimestamp: clock.now + 60_000 }));
    await cache();
    clock.now = 29_000;
    expect(await cache()).toBe("t1");
    clock.now = 31_000;
    await cache();
    await eventually(async () => expect(await cache()).toBe("t2"));
  });

  it("is requested again during an outage of the issuer, but not after a refusal", async () => {
    const outage = new JobServiceError("NetworkFailed", "away", { retryable: true });
    const away = cacheOf((call) => {
      if (call < 3) throw outage;
      return { token: "t", expiresOnTimestamp: HOUR_MS };
    });
    expect(await away.cache()).toBe("t");
    const refused = cacheOf(() => {
      throw new Error("no such secret");
    });
    await expect(refused.cache()).rejects.toMatchObject({ code: "SignInFailed", retryable: false });
    expect(refused.asked.length).toBe(1);
    await expect(cacheOf(() => null).cache()).rejects.toMatchObject({ code: "SignInFailed" });
  });

  it("serves until it expires when it cannot be renewed, unless it was refused", async () => {
    const { cache, asked, clock } = cacheOf((call) => {
      if (call > 1) throw new JobServiceError("SignInFailed", "away", { retryable: false });
      return { token: "t1", expiresOnTimestamp: HOUR_MS };
    });
    await cache();
    clock.now = 56 * 60_000;
    expect(await Promise.all([cache(), cache()])).toEqual(["t1", "t1"]);
    await settled();
    clock.now += 29_000;
    expect(await cache()).toBe("t1");
    expect(asked.length).toBe(2);
    clock.now += 2_000;
    expect(await cache()).toBe("t1");
    expect(asked.length).toBe(3);
    await settled();
    await expect(cache({ fresh: true })).rejects.toMatchObject({ code: "SignInFailed" });
    clock.now = HOUR_MS;
    await expect(cache()).rejects.toMatchObject({ code: "SignInFailed" });
  });

  it("still arrives for other callers when one aborts", async () => {
    const { cache } = cacheOf(() => ({ token: "t", expiresOnTimestamp: HOUR_MS }));
    const reason = new Error("gone");
    const [gone, other] = await Promise.allSettled([cache({ signal: AbortSignal.abort(reason) }), cache()]);
    expect(gone).toMatchObject({ reason });
    expect(other).toMatchObject({ value: "t" });
  });
});
