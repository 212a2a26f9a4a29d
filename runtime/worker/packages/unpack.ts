/**
 * Unpacks a package, trusting nothing in it. Names, kinds, sizes and positions of all entries are judged before the
 * first byte is written; every file's content is checked before that file is; a refused package leaves nothing behind.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openPackage } from "../../packages/open-package.ts";
import { readContent } from "../../packages/content.ts";
import type { PlannedFile, UnpackLimits } from "../../packages/judge.ts";

/** What has been written: relative paths, parents before their children. */
export interface UnpackedTree {
  readonly directories: readonly string[];
  readonly files: readonly string[];
  readonly executables: ReadonlySet<string>;
}

export interface UnpackRequest {
  readonly bytes: Uint8Array;
  /** Must not exist; its parent must. */
  readonly directory: string;
  readonly signal?: AbortSignal | undefined;
  readonly limits?: UnpackLimits;
}

/** Files inflated and written together: bounded in number and in bytes held in memory. */
const BATCH_MAX_FILES = 16;
const BATCH_MAX_BYTES = 16 * 1024 * 1024;

/** Throws PackageError "PackageUnsafe", "PackageCorrupt" or "PackageTooLarge"; other errors are the disk's. */
export async function unpackPackage(request: UnpackRequest): Promise<UnpackedTree> {
  const { directory, signal, limits } = request;
  const { bytes, plan } = await openPackage(request.bytes, limits);
  signal?.throwIfAborted();
  await mkdir(directory);
  try {
    for (const path of plan.directories) await mkdir(join(directory, path));
    for (const batch of batches(plan.files)) {
      signal?.throwIfAborted();
      // All settle before the first failure is reported: nothing may be written once the directory is being removed.
      const written = await Promise.allSettled(batch.map((file) => writePlanned(bytes, file, directory)));
      for (const result of written) if (result.status === "rejected") throw result.reason;
    }
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  const pathsOf = (files: readonly PlannedFile[]): readonly string[] => files.map(({ path }) => path);
  const executables = new Set(pathsOf(plan.files.filter(({ executable }) => executable)));
  return { directories: plan.directories, files: pathsOf(plan.files), executables };
}

function* batches(files: readonly PlannedFile[]): Generator<PlannedFile[]> {
  let batch: PlannedFile[] = [];
  let size = 0;
  for (const file of files) {
    if (batch.length === BATCH_MAX_FILES || (batch.length > 0 && size + file.entry.bytes > BATCH_MAX_BYTES)) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(file);
    size += file.entry.bytes;
  }
  if (batch.length > 0) yield batch;
}

async function writePlanned(bytes: Buffer, file: PlannedFile, directory: string): Promise<void> {
  const content = await readContent(bytes, file);
  // "wx": should anything be there already, it was not made by this plan.
  await writeFile(join(directory, file.path), content, { flag: "wx", mode: file.executable ? 0o755 : 0o644 });
}
