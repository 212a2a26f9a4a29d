/**
 * Writes a ZIP whose bytes depend only on its files, not on the clock, the time zone, or the order in which the disk lists
 * them.
 */
import { buffer } from "node:stream/consumers";
import { deflateRawSync } from "node:zlib";
import { ZipFile } from "yazl";
import { PACKAGE_MAX_RATIO, PACKAGE_RATIO_THRESHOLD_BYTES } from "../../core/limits.ts";
import type { ExtraFile } from "./contents.ts";

/** The earliest time in a ZIP, in the local zone, because yazl writes local time. */
const MTIME = new Date(1980, 0, 1);
const COMPRESSED_ALREADY = /\.(?:png|jpe?g|webp|gif|avif|heic|zip|gz|br|zst|xz|7z|mp3|mp4|webm|woff2|parquet|pdf)$/i;

export async function writeZip(files: readonly ExtraFile[]): Promise<Uint8Array<ArrayBuffer>> {
  const zip = new ZipFile();
  for (const { path, content, executable } of files.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    zip.addBuffer(Buffer.from(content.buffer, content.byteOffset, content.byteLength), path, {
      mtime: MTIME,
      // The extra field for Unix time is in UTC and would depend on the zone.
      forceDosTimestamp: true,
      mode: executable ? 0o100755 : 0o100644,
      compress: !COMPRESSED_ALREADY.test(path) && !looksLikeBomb(content),
    });
  }
  zip.end();
  return buffer(zip.outputStream);
}

/** Unpacking refuses large files with a high compression ratio. Such a file must be stored uncompressed. */
function looksLikeBomb(content: Uint8Array): boolean {
  if (content.length <= PACKAGE_RATIO_THRESHOLD_BYTES) return false;
  try {
    // Stops when the result is too large for that, usually after a few percent of the file.
    deflateRawSync(content, { level: 1, maxOutputLength: Math.floor(content.length / (PACKAGE_MAX_RATIO / 2)) });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") return false;
    throw error;
  }
}
