/**
 * Lists for people: columns without lines between them. On a terminal that is too narrow, a row continues on further lines.
 * Ids, which people copy, are never shortened.
 */
import { stripVTControlCharacters } from "node:util";
import Table from "cli-table3";

/** A title, or a title whose column can be shortened: text that is useful when cut off. */
export type Column = string | { readonly title: string; readonly shortens: true };

export interface TableOptions {
  /** Width of the terminal. */
  readonly columns: number;
  /** Printed if there are no rows. */
  readonly empty: string;
}

type Cells = readonly (string | number)[];

const GAP = 2;
/** Starts every line of a row except its first. */
const INDENT = 2;
/** Minimum width of a shortened column. */
const SHORTENED_MIN = 20;

interface Placed {
  readonly index: number;
  /** Undefined: not shortened. */
  readonly width: number | undefined;
}

export function table(head: readonly Column[], rows: readonly Cells[], { columns, empty }: TableOptions): string {
  if (rows.length === 0) return empty;
  const titles = head.map((column) => (typeof column === "string" ? column : column.title));
  const lines = [titles, ...rows.map((row) => row.map(onOneLine))];
  const widths = titles.map((_, index) => Math.max(...lines.map((line) => widthOf(line[index] ?? ""))));
  const places = placesOf(head, widths, columns);
  const parts = places.map((part, number) => rendered(part, lines, number === 0 ? "" : " ".repeat(INDENT)));
  return lines.flatMap((_, row) => parts.map((part) => part[row] ?? "")).join("\n");
}

/** Distributes the columns over lines, and computes the width of shortened ones. */
function placesOf(head: readonly Column[], widths: readonly number[], columns: number): Placed[][] {
  const needs = widths.map((width, index) =>
    typeof head[index] === "string" ? width : Math.min(width, SHORTENED_MIN),
  );
  const lines: number[][] = [];
  let left = 0;
  needs.forEach((need, index) => {
    const line = lines.at(-1);
    if (line === undefined || need + GAP > left) {
      left = columns - need - (line === undefined ? 0 : INDENT);
      lines.push([index]);
    } else {
      left -= need + GAP;
      line.push(index);
    }
  });
  return lines.map((line, number) => {
    const taken = line.reduce((sum, index) => sum + (needs[index] ?? 0) + GAP, -GAP) + (number === 0 ? 0 : INDENT);
    let spare = Math.max(0, columns - taken);
    return line.map((index) => {
      const [natural = 0, need = 0] = [widths[index], needs[index]];
      if (natural === need) return { index, width: undefined };
      const width = Math.min(natural, need + spare);
      spare -= width - need;
      return { index, width };
    });
  });
}

/** A line for each row. */
function rendered(places: readonly Placed[], lines: readonly (readonly string[])[], indent: string): readonly string[] {
  const made = new Table({
    chars: NO_LINES,
    colWidths: places.map(({ width }) => width ?? null),
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  made.push(...lines.map((line) => places.map(({ index }) => line[index] ?? "")));
  return made
    .toString()
    .split("\n")
    .map((line) => `${indent}${line}`.trimEnd());
}

const NO_LINES = {
  ...{ "top-mid": "", "top-left": "", "top-right": "", "bottom-mid": "", "bottom-left": "", "bottom-right": "" },
  ...{ top: "", bottom: "", left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "" },
  middle: " ".repeat(GAP),
};

const onOneLine = (cell: string | number): string => String(cell).replace(/\s*\n\s*/g, " ");
const widthOf = (text: string): number => stripVTControlCharacters(text).length;
