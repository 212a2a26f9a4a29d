import { describe, expect, it } from "vitest";
import { startSpan, traceparentOf, withSpan } from "../../../runtime/telemetry/trace.ts";

const PARENT = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;

describe("trace contexts without an exporter", () => {
  it("are passed on as they came", () => {
    expect(traceparentOf(startSpan("step", { parent: PARENT }))).toBe(PARENT);
  });

  it("are read from a later version, whose further fields are left out", () => {
    expect(traceparentOf(startSpan("step", { parent: `cc${PARENT.slice(2)}-more` }))).toBe(PARENT);
  });

  it("are none when there was none", () => {
    expect(traceparentOf(startSpan("step", { parent: null }))).toBeUndefined();
    expect(withSpan(startSpan("step", {}), () => traceparentOf())).toBeUndefined();
  });

  it.each([
    "",
    "nonsense",
    `ff${PARENT.slice(2)}`,
    PARENT.replaceAll("a", "0"),
    PARENT.toUpperCase(),
    `${PARENT}-more`,
    `${PARENT}, ${PARENT}`,
    ` ${PARENT}`,
    `cc${PARENT.slice(2)}${"-x".repeat(99)}`,
  ])("are none for %j, which is not a traceparent", (parent) => {
    expect(traceparentOf(startSpan("step", { parent }))).toBeUndefined();
  });
});
