import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { stripVTControlCharacters } from "node:util";
import { expect, it } from "vitest";
import { createReport } from "../../../runtime/local/demo/report.ts";

it("npm start shows text of jobs without control sequences", { tags: "attack/names" }, async () => {
  const out = new PassThrough();
  const written = text(out);
  const report = createReport(Object.assign(out, { isTTY: false }) as unknown as NodeJS.WriteStream);
  const hostile = "a\u001b]0;owned\u0007\u001b[2J\u009b2J\u202eb";
  report.step(hostile);
  report.notice(hostile);
  report.failure(hostile);
  out.end();
  expect(await written).toBe("✓ ab\n! ab\n✗ ab\n");
});

it("npm start breaks no word at 80 columns", async () => {
  const out = new PassThrough();
  const written = text(out);
  const report = createReport(Object.assign(out, { isTTY: true, columns: 80 }) as unknown as NodeJS.WriteStream);
  const words = Array.from({ length: 60 }, (_, i) => "word".repeat(1 + (i % 4)));
  report.step(words.join(" "));
  report.failure("first line\nsecond line");
  const failingId = "demo.zybqcy4ztpg9fn33f7.15.01m8nd5e2e8kwynrk5";
  report.hints({
    ...{ apiUrl: "http://127.0.0.1:65535", caFile: "/tmp/ca.pem", tenantName: "demo", hasSamples: true, failingId },
  });
  out.end();
  const plain = stripVTControlCharacters(await written);
  const lines = plain.split("\n");
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  const shown = plain.slice(0, plain.indexOf("✗")).split(/\s+/).slice(1, -1);
  expect(shown).toEqual(words);
  expect(plain).toContain("✗ first line\n  second line\n");
});
