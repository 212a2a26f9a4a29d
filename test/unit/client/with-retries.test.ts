import { describe, expect, it } from "vitest";
import { JobServiceError } from "../../../runtime/client/job-service-error.ts";
import { delayAfter, callRetryPolicy, withRetries } from "../../../runtime/client/with-retries.ts";

const policy = callRetryPolicy();
const away = (retryAfterMs?: number): JobServiceError =>
  new JobServiceError("StorageUnavailable", "away", { retryable: true, status: 503, retryAfterMs });

describe("the delay before another try", () => {
  it("doubles up to its bound, with full jitter", () => {
    expect([1, 2, 3, 6, 7].map((attempt) => delayAfter(attempt, away(), policy, 1))).toEqual([
      250, 500, 1_000, 8_000, 10_000,
    ]);
    expect(delayAfter(7, away(), policy, 0)).toBe(0);
  });

  it("is at least what the service requests; no try follows if that is more than a minute", () => {
    expect(delayAfter(1, away(7_000), policy, 0)).toBe(7_000);
    expect(delayAfter(1, away(61_000), policy, 0)).toBeUndefined();
  });

  it("is undefined after the last try and for errors that no try can fix", () => {
    expect(delayAfter(8, away(), policy, 0)).toBeUndefined();
    expect(delayAfter(1, new JobServiceError("JobNotFound", "no"), policy, 0)).toBeUndefined();
  });
});

describe("tries", () => {
  const quick = callRetryPolicy({ firstDelayMs: 1, maxDelayMs: 1, maxAttempts: 3 });

  it("are counted from the start after progress", async () => {
    let calls = 0;
    const result = await withRetries(quick, undefined, async ({ progressed }) => {
      calls++;
      await Promise.resolve();
      if (calls % 2 === 0) progressed();
      if (calls < 9) throw away();
      return calls;
    });
    expect(result).toBe(9);
  });

  it("report whether an earlier try may have been carried out", async () => {
    const thrown = [away(), new JobServiceError("JobEnded", "ended", { status: 409 })];
    const error: unknown = await withRetries(quick, undefined, () =>
      Promise.reject(thrown.shift() ?? new Error("one too many")),
    ).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "JobEnded", isRepeated: true });
    const refused = [
      new JobServiceError("TooManyRequests", "later", { status: 429, retryable: true }),
      new JobServiceError("JobEnded", "ended", { status: 409 }),
    ];
    await expect(
      withRetries(quick, undefined, () => Promise.reject(refused.shift() ?? new Error("one too many"))),
    ).rejects.toMatchObject({ code: "JobEnded", isRepeated: false });
  });
});
