/** The package for people without a clone, built and packed as `npm run build:package` does. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { buildJobyardPackage, type JobyardPackage } from "../../../runtime/package/build/build-jobyard-package.ts";

export interface PackedJobyard extends JobyardPackage {
  readonly tarball: string;
}

export async function packJobyard(folder: string): Promise<PackedJobyard> {
  const built = await buildJobyardPackage(join(folder, "package"));
  const args = ["pack", built.directory, "--pack-destination", folder, "--json", "--loglevel=error"];
  const { stdout } = await promisify(execFile)("npm", args);
  const [packed] = JSON.parse(stdout) as readonly { readonly filename: string }[];
  return { ...built, tarball: join(folder, packed?.filename ?? "") };
}
