import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { splitLines } from "../../../../../runtime/worker/process/log/captured-output.ts";

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
