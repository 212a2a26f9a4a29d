import { describe, expect, it } from "vitest";
import { showRelative } from "../../../runtime/cli/commands/timers.ts";

const NOW = new Date("2026-03-01T08:00:00Z");
const shown = (seconds: number): string => showRelative(new Date(NOW.getTime() + seconds * 1_000).toISOString(), NOW);

describe("a time from now", () => {
  it.each([
    [0, "now"],
    [0.4, "now"],
    [1, "in 1 s"],
    [-119, "119 s ago"],
    [120, "in 2 min"],
    [-7_199, "120 min ago"],
    [7_200, "in 2 h"],
    [-2 * 86_400 + 60, "48 h ago"],
    [2 * 86_400, "in 2 d"],
    [-400 * 86_400, "400 d ago"],
  ])("%d s is %s", (seconds, text) => {
    expect(shown(seconds)).toBe(text);
  });

  it("that is absent is a dash", () => {
    expect(showRelative(undefined, NOW)).toBe("-");
  });
});
