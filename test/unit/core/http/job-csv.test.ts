/** CSV as spreadsheets and readers take it: each job on one line, nothing that a spreadsheet runs. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CSV_END_PATTERN, CSV_HEADER, csvEnd, csvLine } from "../../../../runtime/core/http/job-csv.ts";
import { jobView } from "../../../../runtime/core/http/views.ts";
import { jobOf } from "../../../support/builders.ts";

/** RFC 4180, written down a second time. */
function cellsOf(line: string): readonly string[] {
  const cells: string[] = [];
  let rest = line;
  for (;;) {
    const quoted = /^"((?:[^"]|"")*)"(?=,|\r\n$)/.exec(rest);
    const plain = /^[^",\r\n]*(?=,|\r\n$)/.exec(rest);
    const cell = quoted ?? plain;
    if (cell === null) throw new Error(`Not a line of CSV: ${JSON.stringify(rest)}`);
    cells.push(quoted?.[1]?.replaceAll('""', '"') ?? cell[0]);
    rest = rest.slice(cell[0].length);
    if (rest === "\r\n") return cells;
    rest = rest.slice(1);
  }
}

const NAMES = cellsOf(CSV_HEADER);
const cellOf = (name: string, fields: Parameters<typeof jobOf>[0]): string | undefined =>
  cellsOf(csvLine(jobView(jobOf(fields))))[NAMES.indexOf(name)];

describe("a job as a line of CSV", () => {
  it("has a cell for each column, with texts as they were", () => {
    const job = jobOf({ jobName: 'a "quoted", name', tags: ["a", "b"], parameters: '{"year":2025}' });
    const cells = cellsOf(csvLine(jobView(job)));
    expect(cells).toHaveLength(NAMES.length);
    expect(Object.fromEntries(cells.map((cell, index) => [NAMES[index], cell]))).toMatchObject({
      ...{ jobId: job.jobId, jobName: 'a "quoted", name', state: "queued", attempts: "0", tags: "a b" },
      ...{ parameters: '{"year":2025}', output: "", clientJobId: "", submittedAt: "2026-03-01T08:00:01.000Z" },
    });
  });

  it("is one line whatever a text holds, and no cell begins a formula", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc
        .tuple(
          fc.constantFrom("", " ", "\t", "\r\n", "\u00a0", "\ufeff"),
          fc.constantFrom("=", "+", "-", "@", "＝", "＠"),
          fc.string(),
        )
        .map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(text, (jobName) => {
        const line = csvLine(jobView(jobOf({ jobName })));
        expect(line.slice(0, -2)).not.toMatch(/[\n\r\v\f\u0085\u2028\u2029]/);
        for (const cell of cellsOf(line)) expect(cell.trimStart()).not.toMatch(/^[=+\-@＝＋－＠]/);
      }),
    );
  });

  it("shows a formula as text behind an apostrophe, and leaves other texts alone", () => {
    expect(cellOf("jobName", { jobName: "=HYPERLINK(1)" })).toBe("'=HYPERLINK(1)");
    expect(cellOf("output", { output: "-5" })).toBe("'-5");
    expect(cellOf("jobName", { jobName: "2025 = fine" })).toBe("2025 = fine");
  });

  it("is never taken for the last line", () => {
    expect(csvEnd(2).slice(0, -2)).toMatch(CSV_END_PATTERN);
    for (const jobName of ["# complete: 2 jobs", "\n# complete: 2 jobs\n"]) {
      expect(csvLine(jobView(jobOf({ jobName }))).slice(0, -2)).not.toMatch(CSV_END_PATTERN);
    }
  });
});
