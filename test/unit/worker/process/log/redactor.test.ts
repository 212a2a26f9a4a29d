import { describe, expect, it } from "vitest";
import { createRedactor } from "../../../../../runtime/worker/process/log/redactor.ts";

const redacted = (secrets: readonly string[], line: string): string => {
  const shown = createRedactor(secrets).line(Buffer.from(line));
  return Buffer.from(shown).toString();
};

describe("createRedactor", () => {
  it.each([
    ["a value", ["hunter22"], "key=hunter22!", "key=[redacted]!"],
    ["every occurrence", ["abcd"], "abcd abcdabcd", "[redacted] [redacted][redacted]"],
    ["the longer of two values", ["abcd", "abcdef"], "abcdef", "[redacted]"],
    ["characters that mean something in patterns", ["a.c$(x"], "a.c$(x abc", "[redacted] abc"],
    ["a value beyond ASCII", ["Schlüssel"], "der Schlüssel ü", "der [redacted] ü"],
    ["each line of a key file", ["-----BEGIN-----\nMIIEvQ123456\n}"], "MIIEvQ123456", "[redacted]"],
    ["a line of a key file as JSON", ["first line\nsecond line"], '"first line\\nsecond line"', '"[redacted]"'],
    ["base64 with padding", ["abcde"], "YWJjZGU=", "[redacted]="],
    ["spaces around the value in a file", ["token12\n"], "token12", "[redacted]"],
  ])("takes out %s", (_, secrets, line, shown) => {
    expect(redacted(secrets, line)).toBe(shown);
  });

  it.each([
    ["a value that is too short to mean it", ["abc"], "abc abc"],
    ["a short line of a long value", ["{\n  true,\n}"], "true }"],
    ["lines without the value", ["hunter22"], "hunter2"],
    ["everything without secrets", [], "hunter22"],
  ])("leaves %s", (_, secrets, line) => {
    expect(redacted(secrets, line)).toBe(line);
  });

  it("leaves bytes that are not UTF-8 as they are", () => {
    const line = Buffer.from([0xff, 0xfe, ...Buffer.from("hunter22"), 0x80]);
    const shown = createRedactor(["hunter22"]).line(line);
    expect([...Buffer.from(shown)]).toEqual([0xff, 0xfe, ...Buffer.from("[redacted]"), 0x80]);
  });

  it("takes out the begin of a value at the end of a text that was cut", () => {
    const redactor = createRedactor(["hunter22"]);
    const failure = { kind: "failed", code: "JobFailed", retryable: false } as const;
    expect(redactor.result({ ...failure, message: "no: hunte" })).toEqual({ ...failure, message: "no: [redacted]" });
    expect(redactor.result({ ...failure, message: "no: hun" })).toEqual({ ...failure, message: "no: hun" });
    expect(redactor.progress({ text: "at hunter2" })).toEqual({ text: "at [redacted]" });
  });

  it("takes out values that were added", () => {
    const redactor = createRedactor([]);
    redactor.add(["hunter22"]);
    expect(redactor.line("hunter22")).toBe("[redacted]");
  });
});
