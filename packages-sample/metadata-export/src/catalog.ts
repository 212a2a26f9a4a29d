/** The documents and their metadata: a folder of JSON files, optionally in subfolders. */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";

const instant = z.iso.datetime().transform((text) => new Date(text));

const DocumentMetadata = z.strictObject({
  id: z.string().min(1),
  title: z.string().min(1),
  kind: z.string().min(1),
  owner: z.string().min(1).optional(),
  tags: z.array(z.string()),
  sizeBytes: z.int().min(0),
  createdAt: instant,
  modifiedAt: instant,
  retainUntil: instant.optional(),
});

export type DocumentMetadata = z.infer<typeof DocumentMetadata>;

export interface Refused {
  readonly file: string;
  readonly reason: string;
}

export interface Collected {
  /** Sorted by id. */
  readonly documents: readonly DocumentMetadata[];
  /** Files without valid metadata. They do not stop the export of the others. */
  readonly refused: readonly Refused[];
}

export interface Catalog {
  collect(signal: AbortSignal): Promise<Collected>;
}

export const openCatalog = (directory: string): Catalog => ({
  async collect(signal) {
    const names = (await readdir(directory, { recursive: true })).filter((name) => name.endsWith(".json"));
    const documents: DocumentMetadata[] = [];
    const refused: Refused[] = [];
    for (const name of names.toSorted()) {
      const read = parse(await readFile(join(directory, name), { encoding: "utf8", signal }));
      if (typeof read === "string") refused.push({ file: name, reason: read });
      else documents.push(read);
    }
    return { documents: documents.sort((a, b) => (a.id < b.id ? -1 : 1)), refused };
  },
});

/** The reason why the metadata is invalid, or undefined. */
function parse(text: string): DocumentMetadata | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "is not JSON";
  }
  const result = DocumentMetadata.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  return [...(issue?.path ?? []), issue?.message ?? ""].join(": ");
}
