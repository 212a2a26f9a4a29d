/**
 * Decides from an archive's directory whether it may be unpacked, and what unpacking creates. Pure: nothing is inflated
 * or written before every entry has been accepted.
 */
import { PackageError } from "../../core/errors.ts";
import {
  PACKAGE_MAX_BYTES,
  PACKAGE_MAX_ENTRIES,
  PACKAGE_MAX_FILE_BYTES,
  PACKAGE_MAX_RATIO,
  PACKAGE_MAX_UNPACKED_BYTES,
  PACKAGE_RATIO_THRESHOLD_BYTES,
} from "../../core/limits.ts";
import { packagePathKey, packagePathProblem, showPath } from "../../core/package/package-path.ts";
import type { ArchiveEntry } from "./archive.ts";

export interface UnpackLimits {
  readonly packageBytes: number;
  readonly entries: number;
  readonly fileBytes: number;
  readonly unpackedBytes: number;
  /** Files above the threshold must not inflate more than this. */
  readonly ratio: number;
  readonly ratioThresholdBytes: number;
}

export const UNPACK_LIMITS: UnpackLimits = {
  packageBytes: PACKAGE_MAX_BYTES,
  entries: PACKAGE_MAX_ENTRIES,
  fileBytes: PACKAGE_MAX_FILE_BYTES,
  unpackedBytes: PACKAGE_MAX_UNPACKED_BYTES,
  ratio: PACKAGE_MAX_RATIO,
  ratioThresholdBytes: PACKAGE_RATIO_THRESHOLD_BYTES,
};

/** The result of unpacking. */
export interface UnpackPlan {
  /** Relative, parents before their children. */
  readonly directories: readonly string[];
  readonly files: readonly PlannedFile[];
}

export interface PlannedFile {
  readonly path: string;
  readonly executable: boolean;
  readonly entry: ArchiveEntry;
}

export const METHOD_STORED = 0;
const METHOD_DEFLATED = 8;

const TYPE_MASK = 0o170000;
const TYPE_FILE = 0o100000;
const TYPE_DIRECTORY = 0o040000;

/** Throws PackageError "PackageUnsafe", "PackageCorrupt" or "PackageTooLarge", naming the entry and the reason. */
export function judgeEntries(entries: readonly ArchiveEntry[], limits: UnpackLimits): UnpackPlan {
  const tree = createTree();
  const files: PlannedFile[] = [];
  let total = 0;
  for (const entry of entries) {
    // Some programs write every name below "./", and an entry for "./" itself.
    const name = entry.name.replace(/^(?:\.\/)+/, "");
    if (name === "" && entry.name !== "" && entry.bytes === 0) continue;
    const isDirectory = name.endsWith("/");
    const path = isDirectory ? name.slice(0, -1) : name;
    judgeName(path);
    judgeKind(entry, path, isDirectory);
    if (isDirectory) tree.addDirectory(path);
    else {
      tree.addFile(path);
      judgeSize(entry, limits);
      files.push({ path, executable: (entry.mode & 0o111) !== 0, entry });
    }
    total += entry.bytes;
  }
  if (total > limits.unpackedBytes) {
    throw tooLarge(`it unpacks to ${total} bytes; at most ${limits.unpackedBytes} are allowed`);
  }
  judgeSpans(entries);
  return { directories: tree.directories(), files };
}

const unsafe = (what: string) => new PackageError("PackageUnsafe", `The package is unsafe: ${what}.`);
const tooLarge = (what: string) => new PackageError("PackageTooLarge", `The package is too large: ${what}.`);
const corrupt = (what: string) => new PackageError("PackageCorrupt", `The package is corrupt: ${what}.`);

function judgeName(path: string): void {
  const problem = packagePathProblem(path);
  if (problem !== undefined) throw unsafe(`the name of entry ${showPath(path)} ${problem}`);
}

/** Plain files and directories only: no links, devices, pipes or sockets. */
function judgeKind(entry: ArchiveEntry, path: string, isDirectory: boolean): void {
  const type = entry.mode & TYPE_MASK;
  if (type !== 0 && type !== (isDirectory ? TYPE_DIRECTORY : TYPE_FILE)) {
    throw unsafe(`entry ${showPath(path)} is neither a plain file nor a directory`);
  }
  if (entry.encrypted) throw unsafe(`entry ${showPath(path)} is encrypted`);
  if (entry.method !== METHOD_STORED && entry.method !== METHOD_DEFLATED) {
    throw corrupt(`entry ${showPath(path)} uses compression method ${entry.method}; only stored and deflate are known`);
  }
  if (isDirectory && entry.bytes > 0) throw corrupt(`entry ${showPath(path)} is a directory with content`);
}

function judgeSize({ name, bytes, dataStart, dataEnd }: ArchiveEntry, limits: UnpackLimits): void {
  if (bytes > limits.fileBytes) {
    throw tooLarge(`file ${showPath(name)} has ${bytes} bytes; at most ${limits.fileBytes} are allowed`);
  }
  const compressed = Math.max(1, dataEnd - dataStart);
  if (bytes > limits.ratioThresholdBytes && bytes / compressed > limits.ratio) {
    const ratio = Math.round(bytes / compressed);
    throw tooLarge(`file ${showPath(name)} inflates ${ratio} times; at most ${limits.ratio} times is allowed`);
  }
}

/** No two entries share a byte; otherwise a small archive could unpack to a large one. */
function judgeSpans(entries: readonly ArchiveEntry[]): void {
  const ordered = entries.toSorted((a, b) => a.headerStart - b.headerStart);
  for (const [index, entry] of ordered.entries()) {
    const next = ordered[index + 1];
    if (next !== undefined && next.headerStart < entry.dataEnd) {
      throw unsafe(`entries ${showPath(entry.name)} and ${showPath(next.name)} overlap`);
    }
  }
}

/** Collects names and refuses those that cannot coexist on every file system. */
function createTree() {
  /** Spelling by key. The same key in another spelling is the same file on some systems. */
  const directories = new Map<string, string>();
  const explicit = new Set<string>();
  const files = new Map<string, string>();

  function addDirectory(path: string): void {
    addParents(path);
    const key = packagePathKey(path);
    if (explicit.has(key)) throw unsafe(`entry ${showPath(path)} occurs twice`);
    explicit.add(key);
    noteDirectory(path);
  }

  function addFile(path: string): void {
    addParents(path);
    const key = packagePathKey(path);
    const earlier = files.get(key);
    if (earlier !== undefined) throw unsafe(`entries ${showPath(earlier)} and ${showPath(path)} are the same file`);
    if (directories.has(key)) throw unsafe(`entry ${showPath(path)} is both a file and a directory`);
    files.set(key, path);
  }

  function addParents(path: string): void {
    for (let end = path.indexOf("/"); end !== -1; end = path.indexOf("/", end + 1)) noteDirectory(path.slice(0, end));
  }

  function noteDirectory(path: string): void {
    const key = packagePathKey(path);
    const earlier = directories.get(key);
    if (earlier === path) return;
    if (earlier !== undefined) throw unsafe(`${showPath(earlier)} and ${showPath(path)} are the same directory`);
    if (files.has(key)) throw unsafe(`entry ${showPath(path)} is both a file and a directory`);
    directories.set(key, path);
  }

  // The insertion order has every parent before its children.
  return { addDirectory, addFile, directories: (): string[] => [...directories.values()] };
}
