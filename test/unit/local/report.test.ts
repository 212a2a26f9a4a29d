import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";
import { createReport } from "../../../runtime/local/demo/report.ts";

it(
  "what jobs say is shown by npm start without anything the terminal would obey",
  { tags: "attack/names" },
  async () => {
    const out = new PassThrough();
    const written = text(out);
    const report = createReport(Object.assign(out, { isTTY: false }) as unknown as NodeJS.WriteStream);
    const hostile = "a\u001b]0;owned\u0007\u001b[2J\u009b2J\u202eb";
    report.step(hostile);
    report.notice(hostile);
    report.failure(hostile);
    out.end();
    expect(await written).toBe("✓ ab\n! ab\n✗ ab\n");
  },
);
