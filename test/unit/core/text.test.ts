import { describe, expect, it } from "vitest";
import { closestName, didYouMean, showUnknown } from "../../../runtime/core/text.ts";

const KNOWN = ["jobType", "cron", "timeZone", "timeoutMs", "idleTimeoutMs", "memoryMb", "retry", "run"];

describe("closestName", () => {
  it.each([
    ["timeoutMS", "timeoutMs"],
    ["TIMEOUTMS", "timeoutMs"],
    ["timeout", "timeoutMs"],
    ["timezone", "timeZone"],
    ["corn", "cron"],
    ["memory", "memoryMb"],
    ["idleTimeout", "idleTimeoutMs"],
    ["jobtpye", "jobType"],
    ["retyr", "retry"],
    ["ran", "run"],
  ])("closestName takes %s for %s", (given, meant) => {
    expect(closestName(given, KNOWN)).toBe(meant);
    expect(closestName(given, KNOWN.toReversed())).toBe(meant);
  });

  it.each(["schedule", "x", "", "concurrency", "go", "r", "timeoutMs".repeat(1_000)])(
    "takes %s for no other",
    (given) => {
      expect(closestName(given, KNOWN)).toBeUndefined();
    },
  );
});

it("didYouMean ends a message with the closest name, or with nothing", () => {
  expect(didYouMean("corn", KNOWN)).toBe(' (did you mean "cron"?)');
  expect(didYouMean("schedule", KNOWN)).toBe("");
});

it("showUnknown shows and compares at most five unknown names", () => {
  const many = Array.from({ length: 100_000 }, (_, index) => `${"x".repeat(90)}${index}`);
  expect(showUnknown(["corn", ...many], KNOWN)).toMatch(/^"corn" \(did you mean "cron"\?\), "x+0", .* and 99996 more$/);
  expect(showUnknown(["a", "b"], KNOWN)).toBe('"a", "b"');
});
