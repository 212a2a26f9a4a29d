/** CSV as rows, with the lines that they begin on. */

export interface CsvRow {
  /** From 1. A quoted cell can go over several lines. */
  readonly line: number;
  readonly cells: readonly string[];
}

export interface CsvReading {
  readonly rows: readonly CsvRow[];
  /** The line of a quotation mark that is never closed. */
  readonly openLine?: number;
}

/** At most `maxRows`. The separator is the one that the first line has most of. */
export function readCsv(text: string, maxRows: number): CsvReading {
  const [first = ""] = text.split("\n", 1);
  const separator = [",", ";", "\t"].toSorted((a, b) => first.split(b).length - first.split(a).length)[0] ?? ",";
  const rows: { line: number; cells: string[] }[] = [{ line: 1, cells: [] }];
  let [cell, line, quotedFrom] = ["", 1, 0];
  for (let index = 0; index < text.length && rows.length <= maxRows; index++) {
    const character = text.charAt(index);
    if (character === "\n") line++;
    if (quotedFrom > 0) {
      if (character !== '"') cell += character;
      else if (text.charAt(index + 1) === '"') {
        cell += '"';
        index++;
      } else quotedFrom = 0;
    } else if (character === '"' && cell === "") quotedFrom = line;
    else if (character === separator || character === "\n") {
      rows.at(-1)?.cells.push(cell.replace(/\r$/, ""));
      cell = "";
      if (character === "\n") rows.push({ line, cells: [] });
    } else cell += character;
  }
  const last = rows.at(-1);
  if (cell !== "" || (last !== undefined && last.cells.length > 0)) last?.cells.push(cell.replace(/\r$/, ""));
  const kept = rows.filter(({ cells }) => cells.length > 0).slice(0, maxRows);
  return { rows: kept, ...(quotedFrom > 0 && { openLine: quotedFrom }) };
}
