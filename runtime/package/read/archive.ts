/** Reads the directory of a ZIP archive: its declared entries and their positions. Trusts nothing; judge.ts decides. */
import { fromBufferPromise } from "yauzl";
import type { Entry } from "yauzl";
import { PackageError, messageOf } from "../../core/errors.ts";
import { showPath } from "../../core/package/package-path.ts";

/** One entry as described in the central directory, and the position of its bytes. */
export interface ArchiveEntry {
  /** As written in the archive. A directory ends with a slash. */
  readonly name: string;
  /** Unix file type and permissions; 0 if the archive was made on another system. */
  readonly mode: number;
  readonly method: number;
  readonly encrypted: boolean;
  readonly bytes: number;
  readonly crc32: number;
  /** Positions of the local header and of the data after it. */
  readonly headerStart: number;
  readonly dataStart: number;
  readonly dataEnd: number;
}

/** Lengths without name, fields and comment. */
const CENTRAL_HEADER_BYTES = 46;
const END_BYTES = 22;
const ZIP64_LOCATOR_BYTES = 20;
const ZIP64_LOCATOR_SIGNATURE = 0x07064b50;
const LOCAL_HEADER_SIGNATURE = 0x04034b50;
const LOCAL_HEADER_BYTES = 30;
const ENCRYPTED_BIT = 0x1;
const SIZES_FOLLOW_DATA_BIT = 0x8;
/** Marks a size that is in a ZIP64 field. */
const IN_ZIP64_FIELD = 0xffffffff;
/** Info-ZIP's field for a name in UTF-8, after its version and a checksum of the other name. */
const UNICODE_NAME_FIELD = 0x7075;
const UNICODE_NAME_START = 5;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Throws PackageError "PackageCorrupt", or "PackageTooLarge" for more entries than allowed (before reading them). */
export async function readArchive(bytes: Buffer, maxEntries: number): Promise<ArchiveEntry[]> {
  const archive = await orCorrupt(fromBufferPromise(bytes, { decodeStrings: false, validateEntrySizes: true }));
  if (archive.entryCount > maxEntries) {
    throw new PackageError(
      "PackageTooLarge",
      `The package has ${archive.entryCount} entries; at most ${maxEntries} are allowed.`,
    );
  }
  const entries: ArchiveEntry[] = [];
  let directoryBytes = 0;
  try {
    for await (const entry of archive.eachEntry()) {
      entries.push(locate(bytes, entry));
      directoryBytes += CENTRAL_HEADER_BYTES + entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength;
    }
    judgeDirectory(bytes, bytes.length - END_BYTES - archive.comment.length, directoryBytes);
  } catch (error) {
    throw error instanceof PackageError ? error : corrupt(error);
  }
  return entries;
}

/** The directory must end exactly at its end record; otherwise other readers could find other entries there. */
function judgeDirectory(bytes: Buffer, end: number, directoryBytes: number): void {
  const locator = end - ZIP64_LOCATOR_BYTES;
  const isZip64 = locator >= 0 && bytes.readUInt32LE(locator) === ZIP64_LOCATOR_SIGNATURE;
  const directoryEnd = isZip64 ? Number(bytes.readBigUInt64LE(locator + 8)) : end;
  const said = bytes.readUInt32LE(end + 16);
  const start = isZip64 ? Number(bytes.readBigUInt64LE(directoryEnd + 48)) : said;
  if (start + directoryBytes !== directoryEnd || (said !== start && said !== IN_ZIP64_FIELD)) {
    throw new Error("its directory does not have the declared length");
  }
}

const corrupt = (error: unknown): PackageError =>
  new PackageError("PackageCorrupt", `The package is not a readable ZIP file: ${messageOf(error)}`, { cause: error });

const orCorrupt = <T>(reading: Promise<T>): Promise<T> =>
  reading.catch((error: unknown) => {
    throw corrupt(error);
  });

function locate(bytes: Buffer, entry: Entry): ArchiveEntry {
  const name = decodeName(entry.fileNameRaw);
  const broken = (what: string): PackageError =>
    new PackageError("PackageCorrupt", `The package is corrupt: ${what} of entry ${showPath(name)}.`);

  const headerStart = entry.relativeOffsetOfLocalHeader;
  if (headerStart + LOCAL_HEADER_BYTES > bytes.length) throw broken("no local header");
  const header = bytes.subarray(headerStart);
  if (header.readUInt32LE(0) !== LOCAL_HEADER_SIGNATURE) throw broken("no local header");

  const nameLength = header.readUInt16LE(26);
  const dataStart = headerStart + LOCAL_HEADER_BYTES + nameLength + header.readUInt16LE(28);
  const dataEnd = dataStart + entry.compressedSize;
  if (dataEnd > bytes.length) throw broken("truncated data");

  // If the two headers differ, two readers see two different archives.
  const localName = header.subarray(LOCAL_HEADER_BYTES, LOCAL_HEADER_BYTES + nameLength);
  const unicodeName = entry.extraFields.find(({ id }) => id === UNICODE_NAME_FIELD)?.data.subarray(UNICODE_NAME_START);
  if (![localName, unicodeName ?? localName].every((other) => other.equals(entry.fileNameRaw))) {
    throw broken("two different names");
  }
  const flags = header.readUInt16LE(6);
  if (header.readUInt16LE(8) !== entry.compressionMethod) throw broken("two different compression methods");
  const differs = (local: number, central: number) => local !== central && local !== IN_ZIP64_FIELD;
  if (
    (flags & SIZES_FOLLOW_DATA_BIT) === 0 &&
    (header.readUInt32LE(14) !== entry.crc32 ||
      differs(header.readUInt32LE(18), entry.compressedSize) ||
      differs(header.readUInt32LE(22), entry.uncompressedSize))
  ) {
    throw broken("two different sizes or checksums");
  }

  return {
    name,
    mode: entry.externalFileAttributes >>> 16,
    method: entry.compressionMethod,
    encrypted: ((flags | entry.generalPurposeBitFlag) & ENCRYPTED_BIT) !== 0,
    bytes: entry.uncompressedSize,
    crc32: entry.crc32,
    headerStart,
    dataStart,
    dataEnd,
  };
}

/**
 * Reads every name as UTF-8, also without the flag for it. ASCII is the same in old code pages, and other text would be
 * a guess.
 */
function decodeName(raw: Buffer): string {
  try {
    return utf8.decode(raw);
  } catch (error) {
    throw new PackageError(
      "PackageUnsafe",
      `The package has an entry whose name is not UTF-8: ${showPath(raw.toString("latin1"))}.`,
      {
        cause: error,
      },
    );
  }
}
