/**
 * Inspects a package without unpacking it: opens the archive, reads the manifest, and makes all checks of a worker
 * except that of the platform. It runs before a package becomes visible, so that a broken package is refused at
 * publishing.
 */
import { createHash } from "node:crypto";
import { PackageError } from "../../core/errors.ts";
import { MANIFEST_FILE, type Manifest, parseAcceptedManifest, parseManifest } from "../../core/package/manifest.ts";
import { declaredSetting } from "../../core/package/manifest-settings.ts";
import { showPath } from "../../core/package/package-path.ts";
import { PROGRAM_HEAD_BYTES, missingFile, packagedProgram, programProblem } from "../../core/package/program-file.ts";
import type { PackageFacts } from "../../core/ports/package-store.ts";
import { readArchive } from "./archive.ts";
import { readContent } from "./content.ts";
import { UNPACK_LIMITS, type UnpackLimits, type UnpackPlan, judgeEntries } from "./judge.ts";

export interface InspectedPackage {
  readonly manifest: Manifest;
  /** Of the ZIP, in hexadecimal. Identifies the version. */
  readonly sha256: string;
}

/** Throws PackageError. Inflates one file at a time, so it needs memory for the largest. */
export async function inspectPackage(given: Uint8Array, limits?: UnpackLimits): Promise<InspectedPackage> {
  const { bytes, plan } = await openPackage(given, limits);
  let manifestBytes: Uint8Array | undefined;
  const files = new Map<string, ProgramFile>();
  for (const file of plan.files) {
    // Only checked, then released.
    const content = await readContent(bytes, file);
    if (file.path === MANIFEST_FILE) manifestBytes = content;
    // A copy, so that the whole content can be released.
    const head = file.executable ? Uint8Array.from(content.subarray(0, PROGRAM_HEAD_BYTES)) : undefined;
    files.set(file.path, { executable: file.executable, head });
  }
  if (manifestBytes === undefined) throw manifestMissing([...files.keys()]);
  const manifest = parseManifest(manifestBytes);
  checkEntryPoints(manifest, files);
  return { manifest, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/** The manifest of a package that was accepted when it was published. Throws PackageError, UnreadableError. */
export async function manifestIn(given: Uint8Array): Promise<Manifest> {
  const { bytes, plan } = await openPackage(given);
  const file = plan.files.find(({ path }) => path === MANIFEST_FILE);
  if (file === undefined) throw manifestMissing(plan.files.map(({ path }) => path));
  return parseAcceptedManifest(await readContent(bytes, file));
}

export interface OpenPackage {
  readonly bytes: Buffer;
  readonly plan: UnpackPlan;
}

/**
 * Checks all entries of a package before any content is read. Throws PackageError "PackageUnsafe", "PackageCorrupt" or
 * "PackageTooLarge".
 */
export async function openPackage(given: Uint8Array, limits: UnpackLimits = UNPACK_LIMITS): Promise<OpenPackage> {
  if (given.length > limits.packageBytes) {
    throw new PackageError(
      "PackageTooLarge",
      `The package has ${given.length} bytes; at most ${limits.packageBytes} are allowed.`,
    );
  }
  const bytes = Buffer.from(given.buffer, given.byteOffset, given.byteLength);
  return { bytes, plan: judgeEntries(await readArchive(bytes, limits.entries), limits) };
}

/** The error for a package without a manifest. `paths`: the files in the package. */
export function manifestMissing(paths: readonly string[]): PackageError {
  const elsewhere = paths.find((path) => path.split("/").at(-1)?.toLowerCase() === MANIFEST_FILE);
  const advice =
    elsewhere === undefined
      ? "Make the package with jobyard pack."
      : elsewhere.includes("/")
        ? `It has ${showPath(elsewhere)}: zip the content of that folder, not the folder.`
        : `It has ${showPath(elsewhere)}: write the name in lower case.`;
  return new PackageError("ManifestMissing", `The package has no ${MANIFEST_FILE} at its root. ${advice}`);
}

/** A file that may be a program. */
export interface ProgramFile {
  readonly executable: boolean;
  /** Its first PROGRAM_HEAD_BYTES; undefined if they are checked later, before it starts. */
  readonly head: Uint8Array | undefined;
}

/**
 * Checks that the package contains the files that start its jobs. `files`: the package's files by path. Throws
 * PackageError "EntryPointInvalid".
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

/** The facts recorded when a package is published. */
export const packageFacts = ({ manifest, sha256 }: InspectedPackage, uploadedBy: string): PackageFacts => ({
  sha256,
  uploadedBy,
  jobTypes: manifest.jobs.map(({ jobType }) => jobType),
  timerCount: manifest.timers?.length ?? 0,
  schemaCount: manifest.jobs.filter(({ parameters }) => parameters !== undefined).length,
  limitedCount: manifest.jobs.filter(({ limits }) => limits !== undefined).length,
  ...(manifest.settings !== undefined && { settings: manifest.settings.map(declaredSetting) }),
});
