import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCsv } from "../../../web/components/csv.ts";

const cellsOf = (text: string, maxRows = 100) => readCsv(text, maxRows).rows.map(({ cells }) => cells);

describe("reading CSV", () => {
  it("rows have the line that they begin on, also after cells of several lines", () => {
    expect(readCsv('a,b\n"1\n2",3\n\n4,5', 100)).toEqual({
      rows: [
        { line: 1, cells: ["a", "b"] },
        { line: 2, cells: ["1\n2", "3"] },
        { line: 4, cells: [""] },
        { line: 5, cells: ["4", "5"] },
      ],
    });
  });

  it("the separator is what the first line has most of", () => {
    expect(cellsOf("a;b,c;d\n1;2;3")).toEqual([
      ["a", "b,c", "d"],
      ["1", "2", "3"],
    ]);
    expect(cellsOf("a\tb")).toEqual([["a", "b"]]);
    expect(cellsOf("a")).toEqual([["a"]]);
  });

  it("quotation marks count at the beginning of a cell only", () => {
    expect(cellsOf('5" nail,"say ""hi""","",x')).toEqual([['5" nail', 'say "hi"', "", "x"]]);
  });

  it("an open quotation mark is reported with its line, and takes the rest", () => {
    expect(readCsv('a\n"b\nc', 100)).toEqual({
      rows: [
        { line: 1, cells: ["a"] },
        { line: 2, cells: ["b\nc"] },
      ],
      openLine: 2,
    });
  });

  it("no more rows are read than are wanted", () => {
    expect(cellsOf("a\nb\nc\nd", 2)).toEqual([["a"], ["b"]]);
    expect(cellsOf("")).toEqual([]);
  });

  it("reads back what a program writes, with either end of line", () => {
    const cell = fc.string({ unit: fc.constantFrom("a", ",", ";", '"', "\n", " ", "ü") });
    const table = fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(table, fc.constantFrom("\n", "\r\n"), (rows, end) => {
        // The first line decides on the separator.
        const head = ["h", "h", "h", "h"];
        const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
        const text = [head, ...rows].map((row) => row.map(quoted).join(",")).join(end);
        expect(cellsOf(text)).toEqual([head, ...rows]);
      }),
    );
  });
});
