import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createAttemptLog } from "../../../../runtime/worker/process/log/attempt-log.ts";
import { parseProgressLine } from "../../../../runtime/worker/process/command-run.ts";
import { splitLines } from "../../../../runtime/worker/process/log/captured-output.ts";
import { membersOf } from "../../../../runtime/worker/process/os/process-tree.ts";
import type { ProcessEntry } from "../../../../runtime/worker/process/os/proc-table.ts";
import { mergeProgress, presentable } from "../../../../runtime/worker/process/progress.ts";

describe("lines", () => {
  const split = (chunks: readonly string[], maxBytes: number): { text: string; whole: boolean }[] => {
    const lines: { text: string; whole: boolean }[] = [];
    const splitter = splitLines(maxBytes, (line, whole) => lines.push({ text: line.toString("latin1"), whole }));
    for (const chunk of chunks) splitter.push(Buffer.from(chunk, "latin1"));
    splitter.end();
    return lines;
  };

  it("lines are the same however the bytes arrive, and none is longer than allowed", () => {
    const chunk = fc.string({ unit: fc.constantFrom("a", "b", "\n"), maxLength: 20 });
    fc.assert(
      fc.property(fc.array(chunk), fc.integer({ min: 1, max: 8 }), (chunks, maxBytes) => {
        const lines = split(chunks, maxBytes);
        expect(lines).toEqual(split([chunks.join("")], maxBytes));
        expect(lines.every(({ text }) => text.length <= maxBytes)).toBe(true);
        const text = lines.map((line) => line.text + (line.whole ? "\n" : "")).join("");
        const given = chunks.join("");
        expect(text).toBe(given === "" || given.endsWith("\n") ? given : `${given}\n`);
      }),
    );
  });

  it("lines may end as on Windows", () => {
    expect(split(["a\r", "\nb\r\n"], 10).map(({ text }) => text)).toEqual(["a", "b"]);
  });
});

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

describe("a log", () => {
  const now = (): Date => new Date(0);

  it("a log hands out all waiting lines as one chunk", async () => {
    const log = createAttemptLog({ maxBytes: 10_000, now });
    const chunks = log.chunks[Symbol.asyncIterator]();
    log.write("out", "one");
    log.write("err", Buffer.from("two"));
    const text = async (): Promise<string | undefined> => {
      const next = await chunks.next();
      return next.done === true ? undefined : Buffer.from(next.value).toString();
    };
    expect(await text()).toBe("1970-01-01T00:00:00.000Z out one\n1970-01-01T00:00:00.000Z err two\n");
    const later = text();
    log.write("log", "three");
    expect(await later).toBe("1970-01-01T00:00:00.000Z log three\n");
    log.end();
    log.write("out", "too late");
    expect(await text()).toBeUndefined();
  });

  it("a log stays within its limit and counts what is missing", async () => {
    const lines = fc.array(fc.nat({ max: 3_000 }), { maxLength: 50 });
    await fc.assert(
      fc.asyncProperty(lines, fc.integer({ min: 5_000, max: 50_000 }), async (lengths, maxBytes) => {
        const log = createAttemptLog({ maxBytes, now });
        for (const length of lengths) log.write("out", "x".repeat(length));
        log.end();
        let text = "";
        for await (const chunk of log.chunks) text += Buffer.from(chunk).toString();
        expect(text.length).toBeLessThanOrEqual(maxBytes);
        const missing = Number(/sys (\d+) lines/.exec(text)?.[1] ?? 0);
        expect(text.split(" out ").length - 1 + missing).toBe(lengths.length);
      }),
    );
  });
});

describe("the members of a process tree", () => {
  const entry = (pid: number, fields: Partial<ProcessEntry> = {}): ProcessEntry => ({
    ...{ pid, parent: 1, group: pid, session: pid, startedAt: 100, dead: false, residentBytes: 1_000 },
    ...fields,
  });
  const find = (processes: ProcessEntry[], marks: Record<number, string> = {}): number[] =>
    membersOf({ leader: 10, startedAt: 100, mark: "m" }, { processes, startVariable: (pid) => marks[pid] }).map(
      ({ pid }) => pid,
    );

  it("members of a tree are group, session, marks and their living descendants", () => {
    const processes = [
      entry(1),
      entry(10),
      entry(11, { group: 10, session: 10 }),
      entry(12, { session: 10 }),
      entry(13, { parent: 12 }),
      entry(14),
      entry(15, { parent: 14 }),
      entry(16, { group: 10, dead: true }),
      entry(17),
    ];
    expect(find(processes, { 14: "m", 17: "other" })).toEqual([10, 11, 12, 14, 13, 15]);
  });

  it("a stranger with the same number is no member of a tree", () => {
    const processes = [entry(10, { startedAt: 500 }), entry(11, { group: 10, startedAt: 500 }), entry(12)];
    expect(find(processes, { 12: "m" })).toEqual([12]);
  });

  it("older processes are no members of a tree", () => {
    expect(find([entry(9, { group: 10, startedAt: 5 })])).toEqual([]);
  });
});
