/**
 * Makes the deployable packages of API and worker from the source: bundled, zipped, named by their content. The API's also
 * carries the job packages, which it publishes when it starts. The same source gives the same bytes.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PackagePlatform } from "../runtime/core/manifest.ts";
import { RELEASES } from "../runtime/core/topology.ts";
import { packFolder } from "../runtime/packaging/pack-folder.ts";
import { writeZip } from "../runtime/packaging/zip.ts";
import type { ReleasePackage } from "./components/release.ts";
import { programFiles, type Program, type ProgramFile } from "./program-files.ts";

export interface Bundles {
  readonly api: ReleasePackage;
  /** File in the API's package that is started. */
  readonly apiEntry: string;
  readonly worker: ReleasePackage;
}

/** Not under version control. */
const OUTPUT = join(import.meta.dirname, "..", "dist", "release");
/** What the scale sets run. */
const WORKER_PLATFORM: PackagePlatform = { os: "linux", arch: "x64", libc: "glibc" };

/** `packagesDirectory`: its directories are job packages; absent: none are deployed. Throws PackError, and RangeError. */
export async function buildBundles(packagesDirectory?: string): Promise<Bundles> {
  const packages = packagesDirectory === undefined ? [] : await jobPackages(packagesDirectory);
  const [api, worker] = await Promise.all([packageOf("api", packages), packageOf("worker")]);
  return { api, apiEntry: "api.mjs", worker };
}

async function jobPackages(directory: string): Promise<readonly ProgramFile[]> {
  if (!existsSync(directory)) throw new RangeError(`jobyard:packagesPath: there is no folder ${directory}.`);
  const packed = await packFolder(directory, WORKER_PLATFORM);
  return packed.map(({ fileName, zip }) => ({
    path: `${RELEASES.packagesFolder}/${fileName}`,
    content: zip,
    executable: false,
  }));
}

async function packageOf(name: Program, beside: readonly ProgramFile[] = []): Promise<ReleasePackage> {
  const zip = await writeZip([...(await programFiles(name)), ...beside]);
  const sha256 = createHash("sha256").update(zip).digest("hex");
  const file = join(OUTPUT, `${name}-${sha256}.zip`);
  await mkdir(OUTPUT, { recursive: true });
  // Complete at every moment: a preview and a deployment may run side by side.
  const half = `${file}.${process.pid}`;
  await writeFile(half, zip);
  await rename(half, file);
  return { file, sha256 };
}
