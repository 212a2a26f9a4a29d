/** Whether what a package's manifest says is in the package. */
import { PackageError } from "../core/errors.ts";
import { MANIFEST_FILE, type Manifest } from "../core/manifest.ts";
import { showPath } from "../core/package-path.ts";
import { missingFile, packagedProgram, programProblem } from "../core/program-file.ts";

/** `paths`: of the files that are there. */
export function manifestMissing(paths: readonly string[]): PackageError {
  const elsewhere = paths.find((path) => path.split("/").at(-1)?.toLowerCase() === MANIFEST_FILE);
  const advice =
    elsewhere === undefined
      ? "Make it with jobyard pack."
      : elsewhere.includes("/")
        ? `It has ${showPath(elsewhere)}: zip what is in that folder, not the folder itself.`
        : `It has ${showPath(elsewhere)}: write the name in small letters.`;
  return new PackageError("ManifestMissing", `The package has no ${MANIFEST_FILE} at its root. ${advice}`);
}

/** What is known of a file that may be a program. */
export interface ProgramFile {
  readonly executable: boolean;
  /** Its first PROGRAM_HEAD_BYTES; undefined if they are looked at later, before it is started. */
  readonly head: Uint8Array | undefined;
}

/**
 * Once for a version, instead of once for every job that would fail. `files`: of the package, by path. Throws PackageError
 * "EntryPointInvalid".
 */
export function checkEntryPoints({ jobs, platform }: Manifest, files: ReadonlyMap<string, ProgramFile>): void {
  const invalid = (message: string): PackageError => new PackageError("EntryPointInvalid", message);
  for (const { jobType, entry } of jobs) {
    const path = entry.kind === "module" ? entry.file : packagedProgram(entry, (name) => files.has(name));
    if (path === undefined) continue;
    const file = files.get(path);
    const starts = `Job type ${jobType} starts at ${path}, which`;
    if (file === undefined) throw invalid(`${starts} ${missingFile(path, files.keys())}.`);
    if (entry.kind === "module") continue;
    if (!file.executable)
      throw invalid(
        `${starts} is not executable. Make the package with jobyard pack, or set the bit (chmod +x) before you zip it.`,
      );
    const problem = file.head === undefined ? undefined : programProblem(file.head, platform);
    if (problem !== undefined) throw invalid(`${starts} ${problem}.`);
  }
}
