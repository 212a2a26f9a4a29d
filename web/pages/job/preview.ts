/** Which files can be shown. Files that could run something (HTML, SVG, scripts) are shown as text. */

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
