/** Tables and links of the documents in `docs/`, for tests that compare them with the code. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "../../..");

export const readDocument = (name: string): Promise<string> => readFile(join(ROOT, "docs", name), "utf8");

/** The text below a heading, up to the next one of its rank or above. Throws when there is no such heading. */
export function sectionOf(document: string, heading: string): string {
  const rank = /^#+/.exec(heading)?.[0].length ?? 0;
  const lines = document.split("\n");
  const start = lines.indexOf(heading);
  if (start < 0) throw new Error(`There is no heading ${heading}.`);
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => (/^(#+) /.exec(line)?.[1]?.length ?? Infinity) <= rank);
  return rest.slice(0, end < 0 ? undefined : end).join("\n");
}

/** Every table of a text, as the cells of its rows; the first row is its head. */
export function tablesOf(text: string): readonly (readonly (readonly string[])[])[] {
  const blocks = text.replaceAll(/^```[^]*?^```$/gm, "").split(/\n(?!\|)/);
  return blocks
    .map((block) => block.split("\n").filter((line) => line.startsWith("|") && !isRule(line)))
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map(cellsOf));
}

/** Cells of each row of the tables in a text, without their headings. */
export function rowsOf(text: string): readonly (readonly string[])[] {
  const lines = text.split("\n");
  return lines.flatMap((line, index) => {
    const isRow = line.startsWith("|") && !isRule(line) && !isRule(lines[index + 1] ?? "");
    return isRow ? [cellsOf(line)] : [];
  });
}

const isRule = (line: string): boolean => /^\|[ :|-]+\|$/.test(line);
const cellsOf = (line: string): readonly string[] =>
  line
    .replace(/^\||\|$/g, "")
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());

/** What stands in backticks. */
export const codesIn = (text: string): readonly string[] =>
  [...text.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code);
