/**
 * Unpacks a package, trusting nothing in it. Names, kinds, sizes and positions of all entries are judged before the
 * first byte is written; every file's content is checked before that file is; a refused package leaves nothing behind.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import { crc32, inflateRaw, inflateRawSync } from "node:zlib";
import { PackageError, messageOf } from "../../core/errors.ts";
import { showPath } from "../../core/package-path.ts";
import { readArchive } from "./archive.ts";
import { METHOD_STORED, type PlannedFile, UNPACK_LIMITS, type UnpackLimits, judgeEntries } from "./judge.ts";

/** What has been written: relative paths, parents before their children. */
export interface UnpackedTree {
  readonly directories: readonly string[];
  readonly files: readonly string[];
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
/** Smaller files inflate faster than a thread could be asked to do it. */
const INFLATE_HERE_MAX_BYTES = 16 * 1024;
/** The event loop gets its turn after this much has been checked. */
const CHECKSUM_STEP_BYTES = 2 * 1024 * 1024;

const inflateElsewhere = promisify(inflateRaw);

/** Throws PackageError "PackageUnsafe", "PackageCorrupt" or "PackageTooLarge"; other errors are the disk's. */
export async function unpackPackage(request: UnpackRequest): Promise<UnpackedTree> {
  const { directory, signal, limits = UNPACK_LIMITS } = request;
  if (request.bytes.length > limits.packageBytes) {
    throw new PackageError(
      "PackageTooLarge",
      `The package has ${request.bytes.length} bytes; at most ${limits.packageBytes} are allowed.`,
    );
  }
  const bytes = Buffer.from(request.bytes.buffer, request.bytes.byteOffset, request.bytes.byteLength);
  const plan = judgeEntries(await readArchive(bytes, limits.entries), limits);
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
  return { directories: plan.directories, files: plan.files.map(({ path }) => path) };
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
  const content = await contentOf(bytes, file);
  if (content.length !== file.entry.bytes) {
    throw corrupt(file, `has ${content.length} bytes instead of the ${file.entry.bytes} it declares`);
  }
  if ((await checksum(content)) !== file.entry.crc32) throw corrupt(file, "does not match its checksum");
  // "wx": should anything be there already, it was not made by this plan.
  await writeFile(join(directory, file.path), content, { flag: "wx", mode: file.executable ? 0o755 : 0o644 });
}

const corrupt = ({ path }: PlannedFile, what: string, cause?: unknown) =>
  new PackageError("PackageCorrupt", `The package is corrupt: file ${showPath(path)} ${what}.`, { cause });

async function contentOf(bytes: Buffer, file: PlannedFile): Promise<Buffer> {
  const { entry } = file;
  const data = bytes.subarray(entry.dataStart, entry.dataEnd);
  if (entry.method === METHOD_STORED) return data;
  // One byte more than declared tells a liar, without inflating what else it has to offer.
  const options = { maxOutputLength: entry.bytes + 1, chunkSize: Math.min(Math.max(entry.bytes + 1, 64), 1024 * 1024) };
  try {
    return entry.bytes <= INFLATE_HERE_MAX_BYTES
      ? inflateRawSync(data, options)
      : await inflateElsewhere(data, options);
  } catch (error) {
    const lied = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    throw corrupt(file, lied ? `is larger than the ${entry.bytes} bytes it declares` : messageOf(error), error);
  }
}

async function checksum(content: Buffer): Promise<number> {
  let value = 0;
  for (let start = 0; start < content.length; start += CHECKSUM_STEP_BYTES) {
    if (start > 0) await setImmediate();
    value = crc32(content.subarray(start, start + CHECKSUM_STEP_BYTES), value);
  }
  return value;
}
