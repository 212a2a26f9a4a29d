/**
 * A release: two ZIPs, one for each kind of machine, named after what is in them. The API's also carries the job
 * packages, which it publishes when it starts.
 */
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PackagePlatform } from "../../runtime/core/manifest.ts";
import { packFolder } from "../../runtime/packaging/pack-folder.ts";
import { writeZip } from "../../runtime/packaging/zip.ts";
import { programFiles, type Program, type ReleaseFile } from "./program-files.ts";

export interface ReleaseRequest {
  /** The folder whose directories are job packages. Absent: a release without any. */
  readonly packagesDirectory: string | undefined;
  /** Where the ZIPs are written. */
  readonly outputDirectory: string;
}

/** What a machine downloads and unpacks. */
export interface ReleaseZip {
  /** `{program}-{version}.zip`: another content has another name, so that no cache serves what is outdated. */
  readonly name: string;
  /** The first characters of the SHA-256; names the version wherever it is shown. */
  readonly version: string;
  readonly sha256: string;
  /** On this machine. */
  readonly file: string;
}

export type Release = Readonly<Record<Program, ReleaseZip>>;

/** What the scale sets run: Debian or Ubuntu on x64. */
const WORKER_PLATFORM: PackagePlatform = { os: "linux", arch: "x64", libc: "glibc" };
const VERSION_LENGTH = 12;
/** In the API's ZIP. */
const PACKAGES_FOLDER = "packages";

/** The same source makes the same release. Throws PackError and esbuild's BuildFailure. */
export async function buildRelease({ packagesDirectory, outputDirectory }: ReleaseRequest): Promise<Release> {
  await mkdir(outputDirectory, { recursive: true });
  const [api, worker, packages] = await Promise.all([
    programFiles("api"),
    programFiles("worker"),
    packagesDirectory === undefined ? [] : packageFiles(packagesDirectory),
  ]);
  return {
    api: await zipOf("api", [...api, ...packages], outputDirectory),
    worker: await zipOf("worker", worker, outputDirectory),
  };
}

async function packageFiles(directory: string): Promise<readonly ReleaseFile[]> {
  const packed = await packFolder(directory, WORKER_PLATFORM);
  return packed.map(({ fileName, zip }) => ({
    path: `${PACKAGES_FOLDER}/${fileName}`,
    content: zip,
    executable: false,
  }));
}

async function zipOf(program: Program, files: readonly ReleaseFile[], directory: string): Promise<ReleaseZip> {
  const zip = await writeZip(files);
  const sha256 = createHash("sha256").update(zip).digest("hex");
  const version = sha256.slice(0, VERSION_LENGTH);
  const name = `${program}-${version}.zip`;
  const file = join(directory, name);
  await writeFile(file, zip);
  return { name, version, sha256, file };
}
