/** The content of one file of a package: inflated only up to its declared size, and checked before use. */
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import { crc32, inflateRaw, inflateRawSync } from "node:zlib";
import { PackageError, messageOf } from "../../core/errors.ts";
import { showPath } from "../../core/package/package-path.ts";
import { METHOD_STORED, type PlannedFile } from "./judge.ts";

/** Smaller files inflate faster than a thread could start. */
const INFLATE_HERE_MAX_BYTES = 16 * 1024;
/** The event loop gets a turn after checking this many bytes. */
const CHECKSUM_STEP_BYTES = 2 * 1024 * 1024;

const inflateElsewhere = promisify(inflateRaw);

/** Throws PackageError "PackageCorrupt". */
export async function readContent(bytes: Buffer, file: PlannedFile): Promise<Buffer> {
  const content = await contentOf(bytes, file);
  if (content.length !== file.entry.bytes) {
    throw corruptFile(file, `has ${content.length} bytes instead of the ${file.entry.bytes} it declares`);
  }
  if ((await checksum(content)) !== file.entry.crc32) throw corruptFile(file, "does not match its checksum");
  return content;
}

const corruptFile = ({ path }: PlannedFile, what: string, cause?: unknown) =>
  new PackageError("PackageCorrupt", `The package is corrupt: file ${showPath(path)} ${what}.`, { cause });

async function contentOf(bytes: Buffer, file: PlannedFile): Promise<Buffer> {
  const { entry } = file;
  const data = bytes.subarray(entry.dataStart, entry.dataEnd);
  if (entry.method === METHOD_STORED) return data;
  // One byte more than declared detects a wrong size without inflating the rest.
  const options = { maxOutputLength: entry.bytes + 1, chunkSize: Math.min(Math.max(entry.bytes + 1, 64), 1024 * 1024) };
  try {
    return entry.bytes <= INFLATE_HERE_MAX_BYTES
      ? inflateRawSync(data, options)
      : await inflateElsewhere(data, options);
  } catch (error) {
    const lied = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    throw corruptFile(file, lied ? `is larger than the ${entry.bytes} bytes it declares` : messageOf(error), error);
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
