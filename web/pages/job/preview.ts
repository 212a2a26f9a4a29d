/** Which files can be shown, and CSV as rows. Files that could run something (HTML, SVG, scripts) are shown as text. */

export type PreviewKind = "image" | "pdf" | "csv" | "json" | "text";

const KINDS: Readonly<Record<PreviewKind, readonly string[]>> = {
  image: ["png", "jpg", "jpeg", "gif", "webp", "avif"],
  pdf: ["pdf"],
  csv: ["csv", "tsv"],
  json: ["json"],
  text: ["txt", "log", "md", "xml", "html", "svg", "yaml", "yml", "ndjson", "ts", "js", "py", "sh", "sql"],
};

export function previewOf(path: string): PreviewKind | undefined {
  const ending = path.slice(path.lastIndexOf(".") + 1).toLowerCase();
  return (Object.keys(KINDS) as PreviewKind[]).find((kind) => KINDS[kind].includes(ending));
}

/** At most `maxRows`. The separator is the one that the first line has most of. */
export function parseCsv(text: string, maxRows: number): readonly (readonly string[])[] {
  const [first = ""] = text.split("\n", 1);
  const separator = [",", ";", "\t"].toSorted((a, b) => first.split(b).length - first.split(a).length)[0] ?? ",";
  const rows: string[][] = [[]];
  let cell = "";
  let isQuoted = false;
  for (let index = 0; index < text.length && rows.length <= maxRows; index++) {
    const character = text.charAt(index);
    if (isQuoted) {
      if (character !== '"') cell += character;
      else if (text.charAt(index + 1) === '"') {
        cell += '"';
        index++;
      } else isQuoted = false;
    } else if (character === '"' && cell === "") isQuoted = true;
    else if (character === separator || character === "\n") {
      rows.at(-1)?.push(cell.replace(/\r$/, ""));
      cell = "";
      if (character === "\n") rows.push([]);
    } else cell += character;
  }
  if (cell !== "") rows.at(-1)?.push(cell);
  return rows.filter((row) => row.length > 0).slice(0, maxRows);
}
