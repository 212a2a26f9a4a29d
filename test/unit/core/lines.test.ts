import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { linesOf, TOO_LONG } from "../../../runtime/core/lines.ts";

async function split(chunks: readonly Uint8Array[], maxBytes: number): Promise<readonly string[]> {
  const lines: string[] = [];
  const source = (async function* () {
    for (const chunk of chunks) yield await Promise.resolve(chunk);
  })();
  for await (const line of linesOf(source, maxBytes)) {
    lines.push(line === TOO_LONG ? "TOO LONG" : Buffer.from(line).toString());
  }
  return lines;
}

/** Cuts bytes into chunks at the given places. */
function cutAt(bytes: Buffer, places: readonly number[]): readonly Uint8Array[] {
  const cuts = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return cuts.slice(1).map((end, index) => bytes.subarray(cuts[index], end));
}

describe("lines of a stream", () => {
  it("lines are the same wherever the stream is cut into chunks", async () => {
    const text = fc.string({ unit: fc.constantFrom("a", "ü", "\n", "\r", "𝄞"), maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.nat(200), { maxLength: 12 }), async (whole, places) => {
        const expected = whole.split("\n");
        if (expected.at(-1) === "") expected.pop();
        const limited = expected.map((line) => (Buffer.byteLength(line) > 12 ? "TOO LONG" : line));
        expect(await split(cutAt(Buffer.from(whole), places), 12)).toEqual(limited);
      }),
    );
  });

  it("a line that is too long is skipped, and the next one is read", async () => {
    const long = Array.from({ length: 1_000 }, () => Buffer.alloc(1_000, "x"));
    expect(await split([Buffer.from("a\n"), ...long, Buffer.from("\nb")], 10)).toEqual(["a", "TOO LONG", "b"]);
    expect(await split([Buffer.from("x".repeat(10)), Buffer.from("\n"), Buffer.from("x".repeat(11))], 10)).toEqual([
      "x".repeat(10),
      "TOO LONG",
    ]);
  });
});
