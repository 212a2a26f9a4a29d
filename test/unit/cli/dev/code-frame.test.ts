import { describe, expect, it } from "vitest";
import { clickable, codeFrame, placesIn, showPlace } from "../../../../runtime/cli/dev/code-frame.ts";

const SOURCE = ["one", "two", "\tthree(;", "four", "five", "six"].join("\n");

describe("a code frame", () => {
  it("shows two lines around the place, and a mark below its column", () => {
    expect(codeFrame(SOURCE, { line: 3, column: 8 })).toEqual([
      "  1 │ one",
      "  2 │ two",
      "> 3 │  three(;",
      "    │        ^",
      "  4 │ four",
      "  5 │ five",
    ]);
  });

  it("ends with the file, and is empty behind it", () => {
    expect(codeFrame(SOURCE, { line: 6, column: 1 })).toEqual(["  4 │ four", "  5 │ five", "> 6 │ six", "    │ ^"]);
    expect(codeFrame(SOURCE, { line: 7, column: 1 })).toEqual([]);
  });

  it("aligns line numbers of different lengths, and cuts lines of generated code", () => {
    const lines = Array.from({ length: 11 }, () => "x".repeat(1_000)).join("\n");
    const frame = codeFrame(lines, { line: 10, column: 500 });
    expect(frame.map((line) => line.slice(0, 8))).toEqual(["   8 │ x", "   9 │ x", "> 10 │ x", "  11 │ x"]);
    expect(Math.max(...frame.map((line) => line.length))).toBeLessThan(180);
  });
});

describe("places in a stack", () => {
  const has = (file: string): boolean => file === "/work/greet/src/sums.ts";
  const stack = [
    "TypeError: boom",
    "    at Object.run (src/sums.ts:8:5)",
    "    at other (node_modules/x/index.js:1:2)",
    "    at src/gone.ts:1:1",
  ].join("\n");

  it("are those of files in the package's folder", () => {
    expect(placesIn(stack, "/work/greet", has)).toEqual([{ file: "/work/greet/src/sums.ts", line: 8, column: 5 }]);
    expect(placesIn("at /work/greet/src/sums.ts:1:2", "/work/greet", has)).toHaveLength(1);
    expect(placesIn("at /work/other/src/sums.ts:1:2", "/work/greet", () => true)).toEqual([]);
  });

  it("become relative to the current folder, so that a terminal can open them", () => {
    expect(clickable(stack, { folder: "/work/greet", cwd: "/work" }, has)).toContain(
      "at Object.run (greet/src/sums.ts:8:5)",
    );
    expect(clickable(stack, { folder: "/work/greet", cwd: "/work" }, has)).toContain("at src/gone.ts:1:1");
    expect(showPlace({ file: "/work/greet/a.ts", line: 1, column: 2 }, "/work")).toBe("greet/a.ts:1:2");
    expect(showPlace({ file: "/work/greet/a.ts", line: 1, column: 2 }, "/a/b/c/d")).toBe("/work/greet/a.ts:1:2");
  });
});
