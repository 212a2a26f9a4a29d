import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createAttemptLog } from "../../../../../runtime/worker/process/log/attempt-log.ts";

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
