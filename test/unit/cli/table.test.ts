import { describe, expect, it } from "vitest";
import { table } from "../../../runtime/cli/table.ts";

const HEAD = ["id", "state", { title: "name", shortens: true }, "ended"] as const;
const ID = "demo.zybr0fe42axjqj5j73.00.01m7zghvyecdx3hp86";
const ROWS = [
  [ID, "\u001b[32msucceeded\u001b[39m", "Year end\n  of the northern division", "2026-11-21 16:55:39"],
  [ID, "failed", "Short", "-"],
];
const rendered = (columns: number): readonly string[] => table(HEAD, ROWS, { columns, empty: "None." }).split("\n");

describe("a list", () => {
  it("has one full line for each row if there is room, and always for programs", () => {
    for (const columns of [120, Infinity]) {
      const [head, first, second] = rendered(columns);
      expect(head).toMatch(/^id +state +name +ended$/);
      expect(first).toMatch(/succeeded.* {2}Year end of the northern division {2}2026-11-21 16:55:39$/);
      expect(second).toMatch(/failed +Short +-$/);
    }
  });

  it.each([80, 60, 50])("fits %i columns, with every id whole", (columns) => {
    const lines = rendered(columns);
    const widths = lines.map((line) => line.replace(/\u001b\[\d+m/g, "").length);
    expect(Math.max(...widths)).toBeLessThanOrEqual(columns);
    expect(lines.filter((line) => line.includes(ID)).length).toBe(2);
    expect(lines.join("\n")).toMatch(/Year end of the nor.*(…|\n|$)/);
  });

  it("prints its text for an empty list", () => {
    expect(table(HEAD, [], { columns: 80, empty: "None." })).toBe("None.");
  });
});
