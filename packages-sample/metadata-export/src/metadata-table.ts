/** Documents as a Parquet file: one row each, with columns that every reader supports. */
import { parquetWriteBuffer } from "hyparquet-writer";
import type { DocumentMetadata } from "./catalog.ts";

export interface TableFacts {
  /** The time the export was due. */
  readonly exportedAt: Date;
  /** Origin of the file. Stored in it beside the rows. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The same documents and facts give the same bytes. */
export function metadataTable(
  documents: readonly DocumentMetadata[],
  { exportedAt, environment }: TableFacts,
): Uint8Array {
  const column = <T>(read: (document: DocumentMetadata) => T): T[] => documents.map((document) => read(document));
  const buffer = parquetWriteBuffer({
    columnData: [
      { name: "id", type: "STRING", nullable: false, data: column(({ id }) => id) },
      { name: "title", type: "STRING", nullable: false, data: column(({ title }) => title) },
      { name: "kind", type: "STRING", nullable: false, data: column(({ kind }) => kind) },
      { name: "owner", type: "STRING", data: column(({ owner }) => owner ?? null) },
      { name: "tags", type: "JSON", nullable: false, data: column(({ tags }) => tags) },
      { name: "size_bytes", type: "INT64", nullable: false, data: column(({ sizeBytes }) => BigInt(sizeBytes)) },
      { name: "created_at", type: "TIMESTAMP", nullable: false, data: column(({ createdAt }) => createdAt) },
      { name: "modified_at", type: "TIMESTAMP", nullable: false, data: column(({ modifiedAt }) => modifiedAt) },
      { name: "retain_until", type: "TIMESTAMP", data: column(({ retainUntil }) => retainUntil ?? null) },
      { name: "exported_at", type: "TIMESTAMP", nullable: false, data: column(() => exportedAt) },
    ],
    kvMetadata: Object.entries(environment).map(([key, value]) => ({ key, value })),
    createdBy: "metadata-export",
  });
  return new Uint8Array(buffer);
}
