import { posix, win32 } from "node:path";
import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { packagePathKey, packagePathProblem, showPath } from "../../../../runtime/core/package/package-path.ts";

describe("packagePathProblem", () => {
  it.each([
    "a",
    "job.json",
    "src/a b/ü.txt",
    "data/日本語.csv",
    "node_modules/@img/x/lib.so.8",
    ".env",
    "console/x",
    "a..b",
  ])("packagePathProblem accepts %j", (path) => {
    expect(packagePathProblem(path)).toBeUndefined();
  });

  it.each([
    ["", "is empty"],
    ["/etc/passwd", "is absolute"],
    ["C:/x", "is absolute"],
    ["c:x", "is absolute"],
    ["a\\b", "contains a backslash"],
    ["..", 'contains ".."'],
    ["a/../b", 'contains ".."'],
    ["./a", 'contains "."'],
    ["a//b", "contains an empty name"],
    ["a/", "contains an empty name"],
    ["a./b", "ends with a dot or a space"],
    ["a ", "ends with a dot or a space"],
    ["a/NUL", "is a device on Windows"],
    ["com1.txt", "is a device on Windows"],
    ["file:stream", "contains one of"],
    ["what?", "contains one of"],
    ["a\u0000b", "control or invisible"],
    ["a\nb", "control or invisible"],
    ["exe\u202etxt", "control or invisible"],
    ["a\ud800", "control or invisible"],
    ["a\ufffd", "control or invisible"],
    ["é".repeat(128), "longer than 255 bytes"],
    ["a/".repeat(200) + "a", "longer than 400 characters"],
  ])("packagePathProblem refuses %j", { tags: "attack/archives" }, (path, problem) => {
    expect(packagePathProblem(path)).toContain(problem);
  });

  it(
    "packagePathProblem accepts only paths that stay inside their folder, on POSIX and Windows",
    { tags: "attack/archives" },
    () => {
      const parts = fc.constantFrom("a", "b", ".", "..", "...", "", "/", "\\", ":", "c:", "~", "\u0000", " ", "é");
      const path = fc.oneof(
        fc.string({ unit: "binary" }),
        fc.array(parts, { maxLength: 8 }).map((list) => list.join("")),
        fc.array(parts, { maxLength: 8 }).map((list) => list.join("/")),
      );
      fc.assert(
        fc.property(path, (text) => {
          if (packagePathProblem(text) !== undefined) return;
          expect(posix.resolve("/root/x", text)).toBe(`/root/x/${text}`);
          expect(win32.resolve("D:\\root\\x", text)).toBe(`D:\\root\\x\\${text.replaceAll("/", "\\")}`);
        }),
        { numRuns: 2_000 },
      );
    },
  );
});

describe("packagePathKey", () => {
  it("packagePathKey is equal for names that some file system takes for one", { tags: "attack/archives" }, () => {
    for (const [a, b] of [
      ["README", "readme"],
      ["\u00e9", "e\u0301"],
      ["\u00c9", "e\u0301"],
      ["stra\u00dfe", "STRASSE"],
      ["\u212a", "k"],
    ] as const) {
      expect(packagePathKey(a)).toBe(packagePathKey(b));
    }
    expect(packagePathKey("a")).not.toBe(packagePathKey("b"));
  });
});

describe("showPath", () => {
  it("showPath makes invisible characters visible and shortens long paths", () => {
    expect(showPath("a\u0000\u202eb")).toBe('"a\\u0000\\u202eb"');
    expect(showPath("x".repeat(500))).toHaveLength(100);
  });
});
