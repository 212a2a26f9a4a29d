/**
 * Builds the deployable packages of API and worker from the source: bundled, zipped, named by their content. The API's
 * package contains the job packages, which the API publishes at start. The same source gives the same bytes.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Manifest, PackagePlatform } from "../runtime/core/package/manifest.ts";
import { RELEASES } from "../runtime/core/deployment/storage-layout.ts";
import { assertNamesDiffer, packFolder, type PackedPackage } from "../runtime/package/build/pack-folder.ts";
import { writeZip } from "../runtime/package/build/zip.ts";
import type { ReleasePackage } from "./components/release.ts";
import { programFiles, type Program, type ProgramFile } from "./program-files.ts";

/** The declarations of a job package that is deployed with the code. */
export interface DeployedPackage {
  /** The name that jobs use for it. It ends in `.zip`. */
  readonly packageName: string;
  readonly manifest: Pick<Manifest, "timers">;
}

export interface Bundles {
  readonly api: ReleasePackage;
  /** The file in the API's package to start. */
  readonly apiEntry: string;
  readonly worker: ReleasePackage;
  /** The job packages in the API's package. */
  readonly packages: readonly DeployedPackage[];
}

/** Not under version control. */
const OUTPUT = join(import.meta.dirname, "..", "dist", "release");
/** The platform of the scale sets. */
const WORKER_PLATFORM: PackagePlatform = { os: "linux", arch: "x64", libc: "glibc" };

/** Each directory in these folders is a job package, which is deployed with the code. Throws PackError and RangeError. */
export async function buildBundles(packageFolders: readonly string[] = []): Promise<Bundles> {
  const [packed, programs] = await Promise.all([packJobs(packageFolders), programFiles()]);
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

async function packJobs(folders: readonly string[]): Promise<readonly PackedPackage[]> {
  const missing = folders.find((folder) => !existsSync(folder));
  if (missing !== undefined) throw new RangeError(`jobyard:packagesPath: the folder ${missing} does not exist.`);
  const packed = (await Promise.all(folders.map((folder) => packFolder(folder, WORKER_PLATFORM)))).flat();
  assertNamesDiffer(packed);
  return packed;
}

async function packageOf(name: Program, files: readonly ProgramFile[]): Promise<ReleasePackage> {
  const zip = await writeZip(files);
  const sha256 = createHash("sha256").update(zip).digest("hex");
  const file = join(OUTPUT, `${name}-${sha256}.zip`);
  await mkdir(OUTPUT, { recursive: true });
  // Complete at every moment, because a preview and a deployment may run side by side.
  const half = `${file}.${process.pid}`;
  await writeFile(half, zip);
  await rename(half, file);
  return { file, sha256 };
}
