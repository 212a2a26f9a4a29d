/** Unpacks a package version and checks that it is usable on this machine. */
import { constants } from "node:fs";
import { copyFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PackageError } from "../../core/errors.ts";
import {
  MANIFEST_FILE,
  type Manifest,
  type PackagePlatform,
  parseAcceptedManifest,
} from "../../core/package/manifest.ts";
import { readContent } from "../../package/read/content.ts";
import {
  type ProgramFile,
  checkEntryPoints,
  manifestMissing,
  openPackage,
} from "../../package/read/inspect-package.ts";
import type { PlannedFile, UnpackLimits } from "../../package/read/judge.ts";

export interface UnpackedPackage {
  /** Shared by all who use this version: to be read only. */
  readonly directory: string;
  readonly manifest: Manifest;
  readonly tree: UnpackedTree;
}

export interface UnpackedPackageRequest {
  readonly bytes: Uint8Array;
  /** Appears complete or not at all. */
  readonly directory: string;
  /** On the same file system; written to first. */
  readonly temporary: string;
  readonly platform: PackagePlatform;
}

/**
 * Throws PackageError for everything that is wrong with the package, UnreadableError for one of another release; other
 * errors are the disk's.
 */
export async function unpackAndCheck(request: UnpackedPackageRequest): Promise<UnpackedPackage> {
  const { bytes, directory, temporary, platform } = request;
  await rm(temporary, { recursive: true, force: true });
  const tree = await unpackPackage({ bytes, directory: temporary });
  try {
    const manifest = await readManifest(temporary, tree);
    checkPlatform(manifest, platform);
    checkEntryPoints(manifest, programFilesOf(tree));
    await rm(directory, { recursive: true, force: true });
    await rename(temporary, directory);
    return { directory, manifest, tree };
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** The beginning of a program is checked before it is started, not here. */
const programFilesOf = ({ files, executables }: UnpackedTree): ReadonlyMap<string, ProgramFile> =>
  new Map(files.map((path) => [path, { executable: executables.has(path), head: undefined }]));

/** Of a package that has been unpacked. Throws PackageError. */
export async function readManifest(directory: string, { files }: UnpackedTree): Promise<Manifest> {
  if (!files.includes(MANIFEST_FILE)) throw manifestMissing(files);
  return parseAcceptedManifest(await readFile(join(directory, MANIFEST_FILE)));
}

/** Copies made at the same time: what keeps the thread pool for files busy. */
const COPIES_AT_ONCE = 8;

/**
 * Gives one run its own copy, so that nothing it does to its package is seen by another. Links would be ten times faster
 * for packages of thousands of files, and let a job change the file itself. Where the file system can share blocks
 * until they are changed, it does. `target` must not exist; after an error, removing it is up to the caller.
 */
export async function copyPackage(
  { directory, tree }: UnpackedPackage,
  target: string,
  signal?: AbortSignal,
): Promise<void> {
  await mkdir(target);
  for (const path of tree.directories) await mkdir(join(target, path));
  const waiting = tree.files.values();
  // All copies take from the same iterator, and stop together.
  const copy = async (): Promise<void> => {
    for (const path of waiting) {
      signal?.throwIfAborted();
      await copyFile(join(directory, path), join(target, path), constants.COPYFILE_FICLONE);
    }
  };
  await Promise.all(Array.from({ length: COPIES_AT_ONCE }, copy));
}

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

/**
 * Unpacks a package and trusts nothing in it. Names, kinds, sizes and positions of all entries are judged before the first
 * byte is written. The content of every file is checked before that file is written. A refused package leaves nothing
 * behind. Throws PackageError "PackageUnsafe", "PackageCorrupt" or "PackageTooLarge"; other errors are the disk's.
 */
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

/** Which packages run on this machine. */
export function currentPlatform(): PackagePlatform {
  const { platform: os, arch } = process;
  return os === "linux" ? { os, arch, libc: usesGlibc() ? "glibc" : "musl" } : { os, arch };
}

function usesGlibc(): boolean {
  // Without this, the report looks up a name for every open connection.
  (process.report as { excludeNetwork?: boolean }).excludeNetwork = true;
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime !== undefined;
}

/** Throws PackageError "PlatformMismatch". */
export function checkPlatform({ name, platform }: Manifest, here: PackagePlatform): void {
  if (platform === "any") return;
  const libcDiffers = platform.libc !== undefined && here.libc !== undefined && platform.libc !== here.libc;
  if (platform.os === here.os && platform.arch === here.arch && !libcDiffers) return;
  const message = `Package ${name} was packed for ${show(platform)}, and this worker is ${show(here)}. Pack it for the workers' platform.`;
  throw new PackageError("PlatformMismatch", message);
}

const show = ({ os, arch, libc }: PackagePlatform): string => [os, arch, libc].filter(Boolean).join("-");
