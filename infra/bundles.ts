/**
 * Makes the deployable packages of API and worker from the source: bundled, zipped, named by their content. The API's also
 * carries the job packages, which it publishes when it starts. The same source gives the same bytes.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Manifest, PackagePlatform } from "../runtime/core/package/manifest.ts";
import { RELEASES } from "../runtime/core/deployment/storage-layout.ts";
import { packFolder, type PackedPackage } from "../runtime/package/build/pack-folder.ts";
import { writeZip } from "../runtime/package/build/zip.ts";
import type { ReleasePackage } from "./components/release.ts";
import { programFiles, type Program, type ProgramFile } from "./program-files.ts";

/** What a package declares that is deployed with the code. */
export interface DeployedPackage {
  /** The name jobs call it by: ends in `.zip`. */
  readonly packageName: string;
  readonly manifest: Pick<Manifest, "timers">;
}

export interface Bundles {
  readonly api: ReleasePackage;
  /** File in the API's package that is started. */
  readonly apiEntry: string;
  readonly worker: ReleasePackage;
  /** Job packages that the API's carries. */
  readonly packages: readonly DeployedPackage[];
}

/** Not under version control. */
const OUTPUT = join(import.meta.dirname, "..", "dist", "release");
/** What the scale sets run. */
const WORKER_PLATFORM: PackagePlatform = { os: "linux", arch: "x64", libc: "glibc" };

/** `packagesDirectory`: its directories are job packages; absent: none are deployed. Throws PackError, and RangeError. */
export async function buildBundles(packagesDirectory?: string): Promise<Bundles> {
  const [packed, programs] = await Promise.all([packJobs(packagesDirectory), programFiles()]);
  const files = packed.map(({ fileName, zip }) => ({
    path: `${RELEASES.packagesFolder}/${fileName}`,
    content: zip,
    executable: false,
  }));
  const [api, worker] = await Promise.all([
    packageOf("api", [...programs.api, ...files]),
    packageOf("worker", programs.worker),
  ]);
  const packages = packed.map(({ fileName, manifest }) => ({ packageName: fileName, manifest }));
  return { api, apiEntry: "api.mjs", worker, packages };
}

async function packJobs(directory: string | undefined): Promise<readonly PackedPackage[]> {
  if (directory === undefined) return [];
  if (!existsSync(directory)) throw new RangeError(`jobyard:packagesPath: there is no folder ${directory}.`);
  return packFolder(directory, WORKER_PLATFORM);
}

async function packageOf(name: Program, files: readonly ProgramFile[]): Promise<ReleasePackage> {
  const zip = await writeZip(files);
  const sha256 = createHash("sha256").update(zip).digest("hex");
  const file = join(OUTPUT, `${name}-${sha256}.zip`);
  await mkdir(OUTPUT, { recursive: true });
  // Complete at every moment: a preview and a deployment may run side by side.
  const half = `${file}.${process.pid}`;
  await writeFile(half, zip);
  await rename(half, file);
  return { file, sha256 };
}
