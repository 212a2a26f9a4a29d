/** Makes a package: finds its jobs and timers, bundles its code, collects its files, and writes a ZIP with a manifest. */
import { createHash } from "node:crypto";
import { realpath } from "node:fs/promises";
import { PACKAGE_MAX_BYTES } from "../../core/limits.ts";
import {
  MANIFEST_FILE,
  MANIFEST_VERSION,
  type Manifest,
  type ManifestJob,
  type PackagePlatform,
  checkManifest,
} from "../../core/package/manifest.ts";
import { type Bundle, type BundleEntry, bundleSources } from "./bundle.ts";
import { type ExtraFile, checkContents, platformOf, readExtraFiles } from "./contents.ts";
import { closureOf, readModuleFiles } from "./native-modules.ts";
import { type PackageJson, readPackageJson } from "./package-json.ts";
import { PackError, type PackProblem, packError, showPosition, showProblem } from "./problem.ts";
import { type ReadSchemas, readSchemas } from "./read-schemas.ts";
import { type ScanResult, scanSources } from "./scan.ts";
import { readJobSources } from "./source-modules.ts";
import { jsonTimerWarnings, timersOf, withTimerRetry } from "./package-timers.ts";
import { writeZip } from "./zip.ts";

export interface PackRequest {
  readonly directory: string;
  /** Target platform of native modules. Packages without machine code run on every platform. */
  readonly target: PackagePlatform;
}

export interface PackResult {
  readonly manifest: Manifest;
  readonly zip: Uint8Array<ArrayBuffer>;
  /** Of the ZIP, in hexadecimal. Identifies the version. */
  readonly sha256: string;
  readonly fileCount: number;
  readonly warnings: readonly string[];
}

/** The same source gives the same bytes. Throws PackError with everything that the author must change. */
export async function packPackage({ directory: given, target }: PackRequest): Promise<PackResult> {
  const directory = await realpath(given).catch((cause: unknown) => {
    throw packError(`There is no directory ${given}.`, cause);
  });
  const json = await readPackageJson(directory);
  const scan = scanSources(directory, await readJobSources(directory));
  refuseRepeatedTypes(json, scan);
  if (scan.jobs.length + json.commands.length === 0) throw noJobs(directory, scan.warnings);
  const timers = timersOf(json, scan);
  const settings = [...(scan.settings?.settings ?? []), ...json.settings];
  const tokenAudiences = scan.identity?.audiences ?? [];

  const bundle = await bundleJobs(directory, json, scan);
  const own = await readOwnFiles(directory, json, bundle);
  const schemas = await readSchemas({ directory, jobs: scan.jobs, entryFiles: bundle.entryFiles, files: own });
  const files = [...own, ...(await copyModules(bundle, target))];
  const warnings = [
    ...[...scan.warnings, ...jsonTimerWarnings(json), ...bundle.warnings],
    ...[...besideWarnings(bundle, files), ...schemas.warnings],
  ];
  const manifest = checkManifest({
    manifestVersion: MANIFEST_VERSION,
    name: json.name,
    ...(json.version === undefined ? {} : { version: json.version }),
    platform: platformOf(files, target, warnings),
    jobs: jobsOf(json, scan, bundle, schemas).map((job) => withTimerRetry(job, timers)),
    ...(timers.length === 0 ? {} : { timers }),
    ...(settings.length === 0 ? {} : { settings }),
    ...(tokenAudiences.length === 0 ? {} : { tokenAudiences }),
  } satisfies Manifest);
  const contents = checkContents([...files, manifestFile(manifest)], manifest);

  const zip = await writeZip(contents);
  if (zip.length > PACKAGE_MAX_BYTES) {
    throw packError(`The package has ${zip.length} bytes; at most ${PACKAGE_MAX_BYTES} are allowed.`);
  }
  return {
    manifest,
    zip,
    sha256: createHash("sha256").update(zip).digest("hex"),
    fileCount: contents.length,
    warnings: warnings.map(showProblem),
  };
}

function noJobs(directory: string, warnings: readonly PackProblem[]): PackError {
  const message =
    `No job is declared in ${directory}. Export one from a source file: export default defineJob({ jobType: "…", … }), ` +
    `with defineJob imported from "jobyard/job"; or list a program under "jobyard": { "jobs": [ … ] } in package.json.`;
  return new PackError([{ message }, ...warnings]);
}

function refuseRepeatedTypes({ commands }: PackageJson, { jobs }: ScanResult): void {
  const places = new Map(jobs.map(({ jobType, position }) => [jobType, showPosition(position)]));
  const problems: PackProblem[] = [];
  for (const { jobType } of commands) {
    const earlier = places.get(jobType);
    if (earlier === undefined) places.set(jobType, "package.json");
    else {
      const message = `package.json: job type ${JSON.stringify(jobType)} is declared already, in ${earlier}.`;
      problems.push({ message });
    }
  }
  if (problems.length > 0) throw new PackError(problems);
}

async function bundleJobs(directory: string, { external, bundled }: PackageJson, scan: ScanResult): Promise<Bundle> {
  const entries = new Map<string, BundleEntry>();
  for (const { file } of scan.jobs) {
    const exportNames = scan.jobs.filter((job) => job.file === file).map(({ exportName }) => exportName);
    entries.set(file, { exportNames, setupFile: scan.setupFile });
  }
  if (entries.size === 0) return { entryFiles: new Map(), files: [], externals: [], besides: [], warnings: [] };
  return bundleSources({ directory, entries, external, bundled });
}

/** The bundled code, and what is copied as it is. */
async function readOwnFiles(directory: string, json: PackageJson, bundle: Bundle): Promise<readonly ExtraFile[]> {
  const problems: PackProblem[] = [];
  const files = await readExtraFiles(directory, json.files, problems);
  if (problems.length > 0) throw new PackError(problems);
  return [...files, ...bundle.files.map((file) => ({ ...file, executable: false }))];
}

async function copyModules({ externals }: Bundle, target: PackagePlatform): Promise<readonly ExtraFile[]> {
  const files: ExtraFile[] = [];
  for (const module of await closureOf(externals, target)) files.push(...(await readModuleFiles(module, target)));
  return files;
}

function besideWarnings({ besides }: Bundle, files: readonly ExtraFile[]): readonly PackProblem[] {
  const packed = new Set(files.map(({ path }) => path));
  return besides
    .filter(({ file }) => !packed.has(file))
    .map(({ file, position }) => ({
      message: `${file} is named here but not packed. List it under jobyard.files in package.json.`,
      position,
    }));
}

function jobsOf(
  { commands }: PackageJson,
  scan: ScanResult,
  { entryFiles }: Bundle,
  { byJobType }: ReadSchemas,
): ManifestJob[] {
  const modules = scan.jobs.map((job): ManifestJob => {
    const { jobType, file, exportName, position: _position, hasChecks: _hasChecks, ...options } = job;
    const entry = { kind: "module", file: entryFiles.get(file) ?? file, export: exportName } as const;
    return { jobType, entry, ...options, ...byJobType.get(jobType) };
  });
  return [...modules, ...commands].sort((a, b) => (a.jobType < b.jobType ? -1 : 1));
}

const manifestFile = (manifest: Manifest): ExtraFile => ({
  path: MANIFEST_FILE,
  content: new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`),
  executable: false,
});
