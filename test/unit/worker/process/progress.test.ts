import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parseProgressLine } from "../../../../runtime/worker/process/command-run.ts";
import { mergeProgress, presentable } from "../../../../runtime/worker/process/progress.ts";

describe("progress", () => {
  it("progress has a fraction from 0 to 1 and one line of limited, well-formed text", () => {
    expect(presentable({ fraction: 7, text: "" })).toEqual({ fraction: 1 });
    expect(presentable({ fraction: -Infinity })).toEqual({ fraction: 0 });
    expect(presentable({ fraction: "0.5", text: 5 })).toBeUndefined();
    expect(presentable({ text: " a\r\n\tb\u001b " })).toEqual({ text: "a b" });
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 1_200 }), (given) => {
        const text = presentable({ text: given })?.text ?? "";
        expect(text.length).toBeLessThanOrEqual(500);
        expect(text.isWellFormed()).toBe(true);
        expect(text).not.toMatch(/[\u0000-\u001f]/);
      }),
    );
  });

  it.each([
    ["::progress 0.5 Half way", { fraction: 0.5, text: "Half way" }],
    ["::progress 50%", { fraction: 0.5 }],
    ["::progress .25", { fraction: 0.25 }],
    ["::progress 3 files", { fraction: 1, text: "files" }],
    ["::progress words", { text: "words" }],
    ["Progress: 20% read", { fraction: 0.2, text: "read" }],
    ["Progress:3rd file", { text: "3rd file" }],
    ["::progress", undefined],
    ["::progressive", undefined],
    [" Progress: 1", undefined],
    ["progress: 1", undefined],
    ["", undefined],
  ])("a command's progress is read from %j", (line, expected) => {
    expect(parseProgressLine(Buffer.from(line))).toEqual(expected);
  });

  describe("merged", () => {
    beforeEach(() => {
      vi.useFakeTimers();
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    it("merged progress is the first at once, then the latest of each interval, and the last", () => {
      const seen: unknown[] = [];
      const merger = mergeProgress(100, (progress) => seen.push(progress.fraction));
      for (const fraction of [0.1, 0.2, 0.3]) merger.report({ fraction });
      expect(seen).toEqual([0.1]);
      vi.advanceTimersByTime(100);
      expect(seen).toEqual([0.1, 0.3]);
      vi.advanceTimersByTime(1_000);
      merger.report({ fraction: 0.4 });
      merger.report({ fraction: 0.5 });
      merger.flush();
      expect(seen).toEqual([0.1, 0.3, 0.4, 0.5]);
      expect(vi.getTimerCount()).toBe(0);
    });
  });
});
