/** Whether what a package's manifest says is in the package. */
import { PackageError } from "../core/errors.ts";
import { MANIFEST_FILE, type Manifest } from "../core/manifest.ts";

export const manifestMissing = (): PackageError =>
  new PackageError("ManifestMissing", `The package has no ${MANIFEST_FILE} at its root. Make it with jobyard pack.`);

/** Once for a version, instead of once for every job that would fail. Throws PackageError "EntryPointInvalid". */
export function checkEntryPoints({ jobs }: Manifest, paths: readonly string[]): void {
  const files = new Set(paths);
  for (const { jobType, entry } of jobs) {
    const file = entry.kind === "module" ? entry.file : entry.command.replace(/^\.\//, "");
    if ((entry.kind === "command" && !entry.command.includes("/")) || files.has(file)) continue;
    throw new PackageError("EntryPointInvalid", `Job type ${jobType} starts at ${file}, which is not in the package.`);
  }
}
