import { describe, expect, it } from "vitest";
import { bellOf, parseBell } from "../../../runtime/core/bell.ts";
import { jobOf } from "../../support/builders.ts";

describe("a bell", () => {
  it("survives its way through JSON", () => {
    for (const job of [
      jobOf(),
      jobOf({ parameters: undefined, timeoutMs: 5_000, retry: { maxAttempts: 2 }, ring: 7 }),
    ]) {
      const bell = bellOf(job, 'W/"1"');
      expect(parseBell(JSON.parse(JSON.stringify(bell)))).toEqual({ ok: true, bell });
    }
  });

  const good = bellOf(jobOf(), "e");
  it.each([
    [undefined, /Malformed message/],
    ["text", /Malformed message/],
    [{ ...good, version: 2 }, /version 2 is not supported; this worker reads version 1/],
    [{ ...good, jobId: "../etc/passwd" }, /jobId not a job id/],
    [{ ...good, ring: 0 }, /ring/],
    [{ ...good, start: { ...good.start, attempts: "1" } }, /start\.attempts/],
    [{ ...good, surprise: true }, /surprise/],
  ])("that is malformed yields a reason: %j", (body, reason) => {
    const parsed = parseBell(body);
    expect(parsed).toMatchObject({ ok: false });
    expect(parsed.ok ? "" : parsed.reason).toMatch(reason);
  });
});
