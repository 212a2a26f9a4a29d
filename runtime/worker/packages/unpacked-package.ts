/** A package version that has been unpacked and found usable on this machine. */
import { constants } from "node:fs";
import { copyFile, mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { MANIFEST_FILE, type Manifest, type PackagePlatform, parseAcceptedManifest } from "../../core/manifest.ts";
import { checkEntryPoints, manifestMissing, type ProgramFile } from "../../packages/check-manifest.ts";
import { checkPlatform } from "./platform.ts";
import { type UnpackedTree, unpackPackage } from "./unpack.ts";

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

/** What a program begins with is looked at before it is started. */
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
  // All workers take from the same iterator, and stop together.
  const copy = async (): Promise<void> => {
    for (const path of waiting) {
      signal?.throwIfAborted();
      await copyFile(join(directory, path), join(target, path), constants.COPYFILE_FICLONE);
    }
  };
  await Promise.all(Array.from({ length: COPIES_AT_ONCE }, copy));
}
