import { describe, expect, it } from "vitest";
import { bellOf, parseBell } from "../../../../runtime/core/job/bell.ts";
import { jobOf } from "../../../support/builders.ts";

describe("a bell", () => {
  it("a bell survives JSON", () => {
    for (const job of [
      jobOf(),
      jobOf({ parameters: undefined, timeoutMs: 5_000, retry: { maxAttempts: 2 }, ring: 7 }),
    ]) {
      const bell = bellOf(job, 'W/"1"');
      expect(parseBell(JSON.parse(JSON.stringify(bell)))).toEqual({ ok: true, bell });
    }
  });

  it("a bell is read without the fields of a later release", () => {
    const later = { ...good, surprise: true, start: { ...good.start, memoryMb: 512 } };
    expect(parseBell(later)).toEqual({ ok: true, bell: good });
  });

  const good = bellOf(jobOf(), "e");
  it.each([
    [undefined, /Malformed message/],
    ["text", /Malformed message/],
    [{ ...good, version: "1" }, /version/],
    [{ ...good, jobId: "../etc/passwd" }, /jobId not a job id/],
    [{ ...good, ring: 0 }, /ring/],
    [{ ...good, start: { ...good.start, attempts: "1" } }, /start\.attempts/],
  ])("a malformed bell has a reason: %j", (body, reason) => {
    const parsed = parseBell(body);
    expect(parsed).toMatchObject({ ok: false });
    expect(parsed.ok ? "" : parsed.reason).toMatch(reason);
  });
});
