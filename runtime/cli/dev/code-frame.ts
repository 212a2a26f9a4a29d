/** Shows places in source files: the lines around them, and paths that a terminal turns into links. */
import { existsSync, readFileSync } from "node:fs";
import { isAbsolute, join, relative } from "node:path";
import type { Terminal } from "../terminal.ts";

export interface SourcePlace {
  /** A path on this machine. */
  readonly file: string;
  /** Both start at 1. */
  readonly line: number;
  readonly column: number;
}

const LINES_AROUND = 2;
/** A longer line, such as of generated code, says nothing. */
const LINE_MAX_LENGTH = 160;

/** The lines around a place, with a mark below its column; empty if the text has no such line. */
export function codeFrame(text: string, { line, column }: Omit<SourcePlace, "file">): readonly string[] {
  const lines = text.split(/\r?\n/);
  if (line > lines.length) return [];
  const first = Math.max(1, line - LINES_AROUND);
  const last = Math.min(lines.length, line + LINES_AROUND);
  const width = String(last).length;
  return lines.slice(first - 1, last).flatMap((content, index) => {
    const number = first + index;
    const shown =
      `${String(number).padStart(width)} │ ${content.slice(0, LINE_MAX_LENGTH).replaceAll("\t", " ")}`.trimEnd();
    if (number !== line) return [`  ${shown}`];
    const mark = `${" ".repeat(2 + width + 1)}│ ${" ".repeat(Math.max(0, column - 1))}^`;
    return column > LINE_MAX_LENGTH ? [`> ${shown}`] : [`> ${shown}`, mark];
  });
}

/** The frame of a place in a file; empty if it cannot be read. */
export function frameAt(place: SourcePlace, { paint }: Pick<Terminal, "paint">): readonly string[] {
  if (!existsSync(place.file)) return [];
  return codeFrame(readFileSync(place.file, "utf8"), place).map((line) =>
    paint(line.startsWith(">") ? "bold" : "dim", line),
  );
}

export const showPlace = ({ file, line, column }: SourcePlace, cwd: string): string =>
  `${shortPath(file, cwd)}:${line}:${column}`;

/** Relative to the current folder, unless it is far away from it. */
function shortPath(file: string, cwd: string): string {
  const path = relative(cwd, file);
  return path.startsWith("../../..") ? file : path;
}

/** A source file with line and column in a stack or log: `at run (src/greet.ts:8:5)`. */
const PLACE = /(?<=^|[\s(])((?:[^\s():]+\/)?[^\s():/]+\.[cm]?[jt]sx?):(\d+):(\d+)/g;

/** The places of a package's files in a text, first one first. `has`: whether the folder has this file. */
export function placesIn(
  text: string,
  folder: string,
  has: (file: string) => boolean = existsSync,
): readonly SourcePlace[] {
  return [...text.matchAll(PLACE)].flatMap(([, path = "", line, column]) => {
    const file = isAbsolute(path) ? path : join(folder, path);
    const isOwn = file.startsWith(`${folder}/`) && !file.includes("/node_modules/") && has(file);
    return isOwn ? [{ file, line: Number(line), column: Number(column) }] : [];
  });
}

/** With paths that are relative to the current folder instead of the package's. */
export const clickable = (
  text: string,
  { folder, cwd }: { folder: string; cwd: string },
  has: (file: string) => boolean = existsSync,
): string =>
  text.replace(PLACE, (all, path: string, line: string, column: string) =>
    isAbsolute(path) || !has(join(folder, path)) ? all : `${shortPath(join(folder, path), cwd)}:${line}:${column}`,
  );
