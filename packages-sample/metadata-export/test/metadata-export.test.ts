import { cp, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import type { Job, JobContext, JobDefinition } from "jobyard/job";
import { ParquetFile } from "parquet-wasm";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { metadataCheck } from "../src/metadata-check.ts";
import metadataExport from "../src/metadata-export.ts";
import { setup } from "../src/setup.ts";

const PACKAGE = join(import.meta.dirname, "..");
const SCHEDULED_AT = "2026-03-02T08:15:00.000Z";
const FILE = "metadata-2026-03-02T08-15-00Z.parquet";

let packagePath: string;
let outputPath: string;

beforeEach(async () => {
  packagePath = await mkdtemp(join(tmpdir(), "metadata-package-"));
  outputPath = await mkdtemp(join(tmpdir(), "metadata-output-"));
  await cp(join(PACKAGE, "data"), join(packagePath, "data"), { recursive: true });
});
afterEach(async () => {
  for (const path of [packagePath, outputPath]) await rm(path, { recursive: true });
});

async function run(timer: JobDefinition, changes: Partial<JobContext> = {}, missedCount = 0) {
  const logged: string[] = [];
  const log = (...parts: unknown[]) => void logged.push(parts.join(" "));
  const job: Job = {
    ...{ jobId: "job", batchId: "batch", tenantName: "demo", jobName: "metadata", jobType: "metadata" },
    parameters: { trigger: "schedule", scheduledAt: SCHEDULED_AT, missedCount },
    ...{ attempt: 1, interruption: 0, claimId: "claim", workerId: "local", fence: 3 },
  };
  const context: JobContext = {
    ...{ packagePath, workingPath: outputPath, outputPath, log },
    progress: () => undefined,
    signal: new AbortController().signal,
    settings: {},
    credential: { getToken: () => Promise.reject(new Error("No identity.")) },
    services: await setup({ packagePath, settings: {}, log }),
    ...changes,
  };
  return { output: (await timer.run(job, context))?.output as Readonly<Record<string, unknown>>, logged };
}

const written = (): Promise<Buffer> => readFile(join(outputPath, FILE));
const asBuffer = ({ buffer, byteOffset, byteLength }: Buffer): ArrayBuffer =>
  (buffer as ArrayBuffer).slice(byteOffset, byteOffset + byteLength);

/** The content of the shipped document with an id. */
async function shipped(kind: string, id: string) {
  return JSON.parse(await readFile(join(PACKAGE, "data", kind, `${id}.json`), "utf8")) as Record<string, unknown>;
}

describe("metadata-export", () => {
  it("writes a Parquet file whose rows are the documents", async () => {
    const { output } = await run(metadataExport);
    const bytes = await written();
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
    await run(metadataExport);
    const { key_value_metadata: facts = [], created_by } = parquetMetadata(asBuffer(await written()));
    expect(created_by).toBe("metadata-export");
    expect(Object.fromEntries(facts.map(({ key, value }) => [key, value]))).toEqual({
      ...{ tenant: "demo", trigger: "schedule", node: process.version, platform: process.platform },
    });
  });

  it("gives the same rows in another reader", async () => {
    await run(metadataExport);
    const file = await ParquetFile.fromFile(new Blob([asBuffer(await written())]));
    expect(file.metadata().fileMetadata().numRows()).toBe(48);
    const table = await file.read();
    expect([table.recordBatches().length, table.recordBatches()[0]?.numRows]).toEqual([1, 48]);
    expect(table.recordBatches()[0]?.numColumns).toBe(10);
    // Arrow stores the values of a text column one after another, so all titles appear in order.
    const rows = await parquetReadObjects({ file: asBuffer(await written()), columns: ["title"] });
    const arrow = Buffer.from(table.intoIPCStream());
    expect(arrow.includes(rows.map(({ title }) => title as string).join(""))).toBe(true);
    const sizes = Buffer.alloc(8);
    sizes.writeBigInt64LE(6_442_450_944n);
    expect(arrow.includes(sizes)).toBe(true);
  });

  it("writes the same bytes when the same tick is run again", async () => {
    await run(metadataExport);
    const first = await written();
    await run(metadataExport);
    expect(first.equals(await written())).toBe(true);
    expect(await readdir(outputPath)).toEqual([FILE]);
  });

  it("logs how many exports were missed", async () => {
    expect((await run(metadataExport, {}, 3)).logged).toEqual(["3 exports before this one were missed."]);
  });

  it("leaves out files without valid metadata and logs them", async () => {
    await writeFile(join(packagePath, "data/broken.json"), "{");
    await writeFile(join(packagePath, "data/wrong.json"), JSON.stringify({ id: "X", title: "T", kind: 7, tags: [] }));
    const { output, logged } = await run(metadataExport);
    expect(output).toMatchObject({ rows: 48, refused: 2 });
    expect(logged[0]).toBe("broken.json has no valid metadata: is not JSON");
    expect(logged[1]).toMatch(/^wrong\.json has no valid metadata: kind: /);
  });

  it("fails without documents, and stops when canceled", async () => {
    await rm(join(packagePath, "data"), { recursive: true });
    await expect(run(metadataExport)).rejects.toThrow("ENOENT");
    await cp(join(PACKAGE, "data/minutes"), join(packagePath, "data"), { recursive: true });
    await expect(run(metadataExport, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: "AbortError" });
    for (const file of await readdir(join(packagePath, "data"))) await rm(join(packagePath, "data", file));
    await expect(run(metadataExport)).rejects.toThrow("There are no documents to export.");
    expect(await readdir(outputPath)).toEqual([]);
  });
});

describe("metadata-check", () => {
  it("lists documents without an owner and those that may be destroyed at the due time", async () => {
    const { output, logged } = await run(metadataCheck);
    expect(output).toMatchObject({ documents: 48, withoutOwner: ["D1017", "D1034"], refused: [] });
    const expired = output["expired"] as string[];
    expect(logged).toEqual(["Without an owner: D1017, D1034", `May be destroyed: ${expired.join(", ")}`]);
    expect(expired.length).toBeGreaterThan(0);
  });
});
