/** Replaces the parts of a document that are generated from the code. Each comes after a marker, which stays. */

export type Table = readonly (readonly string[])[];

export const code = (text: string): string => `\`${text}\``;

const markdown = ([head = [], ...rows]: Table): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

/** Throws RangeError if the document has no such part. */
function replacePart(document: string, marker: string, old: string, part: string): string {
  const place = new RegExp(`(<!-- ${marker} -->\n)${old}`);
  if (!place.test(document)) throw new RangeError(`The document has no marker <!-- ${marker} -->.`);
  return document.replace(place, (_whole, line: string) => `${line}\n${part}\n`);
}

/** Replaces each table, by its name in the marker `<!-- table: name -->`. */
export const withTables = (document: string, tables: Readonly<Record<string, () => Table>>): string =>
  Object.entries(tables).reduce(
    (text, [name, table]) => replacePart(text, `table: ${name}`, "(?:\n?\\|[^\n]*\n)*", markdown(table())),
    document,
  );

/** Replaces each query, by its id in the marker `<!-- query: id -->`. */
export const withQueries = (document: string, queries: ReadonlyMap<string, string>): string =>
  [...queries].reduce(
    (text, [id, kql]) =>
      replacePart(text, `query: ${id}`, "(?:\n```kql\n[^`]*```\n)?", ["```kql", kql, "```"].join("\n")),
    document,
  );
