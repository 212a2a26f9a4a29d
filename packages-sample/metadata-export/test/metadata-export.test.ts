import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import type { JobDefinition } from "jobyard/job";
import { type RunJobOptions, runJob } from "jobyard/testing";
import { ParquetFile } from "parquet-wasm";
import { describe, expect, it } from "vitest";
import { metadataCheck } from "../src/metadata-check.ts";
import metadataExport from "../src/metadata-export.ts";
import { setup } from "../src/setup.ts";

const directory = join(import.meta.dirname, "..");
const SCHEDULED_AT = "2026-03-02T08:15:00.000Z";
const FILE = "metadata-2026-03-02T08-15-00Z.parquet";

const run = (definition: JobDefinition, { timer, ...options }: RunJobOptions = {}) =>
  runJob(definition, {
    ...{ directory, setup, tenantName: "demo", fence: 3 },
    timer: { scheduledAt: new Date(SCHEDULED_AT), ...timer },
    ...options,
  });

async function written(): Promise<Buffer> {
  const { artifacts } = await run(metadataExport);
  return artifacts.get(FILE) ?? Buffer.alloc(0);
}
const asBuffer = ({ buffer, byteOffset, byteLength }: Buffer): ArrayBuffer =>
  (buffer as ArrayBuffer).slice(byteOffset, byteOffset + byteLength);

/** The content of the shipped document with an id. */
async function shipped(kind: string, id: string) {
  return JSON.parse(await readFile(join(directory, "data", kind, `${id}.json`), "utf8")) as Record<string, unknown>;
}

describe("metadata-export", () => {
  it("writes a Parquet file whose rows are the documents", async () => {
    const { output, artifacts } = await run(metadataExport);
    const bytes = artifacts.get(FILE) ?? Buffer.alloc(0);
    expect(output).toEqual({ file: FILE, rows: 48, bytes: bytes.length, refused: 0 });
    const rows = await parquetReadObjects({ file: asBuffer(bytes) });
    expect(rows.map(({ id }) => id as string)).toEqual(Array.from({ length: 48 }, (_, index) => `D${1001 + index}`));
    const { id, title, kind, owner, tags, sizeBytes, createdAt, modifiedAt, retainUntil } = await shipped(
      "contract",
      "D1006",
    );
    expect(rows[5]).toEqual({
      ...{ id, title, kind, owner, tags, size_bytes: BigInt(sizeBytes as number) },
      created_at: new Date(createdAt as string),
      modified_at: new Date(modifiedAt as string),
      retain_until: new Date(retainUntil as string),
      exported_at: new Date(SCHEDULED_AT),
    });
    // A number with more than 32 bits, and null for missing values.
    expect(rows[29]).toMatchObject({ size_bytes: 6_442_450_944n });
    expect(rows[16]?.["owner"]).toBeNull();
    expect(rows.filter(({ retain_until }) => retain_until === null).every(({ kind }) => kind !== "contract")).toBe(
      true,
    );
  });

  it("records the origin in the file", async () => {
    const { key_value_metadata: facts = [], created_by } = parquetMetadata(asBuffer(await written()));
    expect(created_by).toBe("metadata-export");
    expect(Object.fromEntries(facts.map(({ key, value }) => [key, value]))).toEqual({
      ...{ tenant: "demo", trigger: "schedule", node: process.version, platform: process.platform },
    });
  });

  it("gives the same rows in another reader", async () => {
    const bytes = asBuffer(await written());
    const file = await ParquetFile.fromFile(new Blob([bytes]));
    expect(file.metadata().fileMetadata().numRows()).toBe(48);
    const table = await file.read();
    expect([table.recordBatches().length, table.recordBatches()[0]?.numRows]).toEqual([1, 48]);
    expect(table.recordBatches()[0]?.numColumns).toBe(10);
    // Arrow stores the values of a text column one after another, so all titles appear in order.
    const rows = await parquetReadObjects({ file: bytes, columns: ["title"] });
    const arrow = Buffer.from(table.intoIPCStream());
    expect(arrow.includes(rows.map(({ title }) => title as string).join(""))).toBe(true);
    const sizes = Buffer.alloc(8);
    sizes.writeBigInt64LE(6_442_450_944n);
    expect(arrow.includes(sizes)).toBe(true);
  });

  it("writes the same bytes when the same tick is run again", async () => {
    const [first, second] = [await run(metadataExport), await run(metadataExport, { attempt: 2 })];
    expect([...second.artifacts.keys()]).toEqual([FILE]);
    expect(second.artifacts).toEqual(first.artifacts);
  });

  it("logs how many exports were missed", async () => {
    expect((await run(metadataExport, { timer: { missedCount: 3 } })).log).toEqual([
      "3 exports before this one were missed.",
    ]);
  });

  it("leaves out files without valid metadata and logs them", async () => {
    const wrong = JSON.stringify({ id: "X", title: "T", kind: 7, tags: [] });
    const { output, log } = await run(metadataExport, {
      files: { "data/broken.json": "{", "data/wrong.json": wrong },
    });
    expect(output).toMatchObject({ rows: 48, refused: 2 });
    expect(log[0]).toBe("broken.json has no valid metadata: is not JSON");
    expect(log[1]).toMatch(/^wrong\.json has no valid metadata: kind: /);
  });

  it("fails without documents, and stops when canceled", async () => {
    const nothing = await runJob(metadataExport, { setup });
    expect(nothing.failure?.message).toContain("ENOENT");
    const empty = await runJob(metadataExport, { setup, files: { "data/README.txt": "" } });
    expect(empty.failure?.message).toBe("There are no documents to export.");
    expect([nothing.artifacts.size, empty.artifacts.size]).toEqual([0, 0]);
    expect(await run(metadataExport, { signal: AbortSignal.abort() })).toMatchObject({ outcome: "canceled" });
  });
});

describe("metadata-check", () => {
  it("lists documents without an owner and those that may be destroyed at the due time", async () => {
    const { output, log } = await run(metadataCheck);
    expect(output).toMatchObject({ documents: 48, withoutOwner: ["D1017", "D1034"], refused: [] });
    const { expired } = output as { expired: string[] };
    expect(log).toEqual(["Without an owner: D1017, D1034", `May be destroyed: ${expired.join(", ")}`]);
    expect(expired.length).toBeGreaterThan(0);
  });
});
