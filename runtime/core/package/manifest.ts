/**
 * `job.json`, the manifest at the root of every package: which jobs the package runs and when, where their code starts,
 * and for which platform it was packed. Written by `jobyard pack`; a package without Node may write its own.
 */
import { z } from "zod";
import { PackageError, UnreadableError } from "../errors.ts";
import { FORMATS } from "../formats.ts";
import { DISPLAY_NAME_MAX_LENGTH, MANIFEST_MAX_BYTES } from "../limits.ts";
import {
  PACKAGE_NAME_PATTERN,
  commandSchema,
  exportName,
  fieldProblems,
  idleTimeoutSchema,
  isolationSchema,
  jsonSchema,
  limitsSchema,
  matching,
  memorySchema,
  oneLine,
  packageFile,
  platformSchema,
  retrySchema,
  strictObject,
  timeoutSchema,
} from "./manifest-fields.ts";
import type { JobLimits } from "../admission/limit.ts";
import type { JsonSchema } from "./json-schema.ts";
import { type ManifestSetting, manifestSettings } from "./manifest-settings.ts";
import { type ManifestTimer, manifestTimer, timerProblems } from "./manifest-timers.ts";
import { JsonError, parseJson } from "../json.ts";
import { tokenAudiences } from "./token-audience.ts";
import type { RetryOverrides } from "../job/retry.ts";

export type { ManifestSetting } from "./manifest-settings.ts";
export type { ManifestTimer, Misfire, Overlap } from "./manifest-timers.ts";

export const MANIFEST_FILE = "job.json";
export const MANIFEST_VERSION = FORMATS.manifest.version;

/** Operating system and processor in Node's words, and the C library where there are several. */
export interface PackagePlatform {
  readonly os: string;
  readonly arch: string;
  readonly libc?: "glibc" | "musl" | undefined;
}

/**
 * A Node module in the package whose export `export` (default: "default") is made by `defineJob`. If it exports
 * `setup`, that makes the services of its jobs.
 */
export interface ModuleEntry {
  readonly kind: "module";
  readonly file: string;
  readonly export?: string | undefined;
}

/** A program: a file of the package if `command` contains a slash, else one the worker's machine offers by name. */
export interface CommandEntry {
  readonly kind: "command";
  readonly command: string;
  /** `{packagePath}`, `{workingPath}`, `{outputPath}`, `{parametersFile}`, `{settingsFile}` and `{resultFile}` are replaced. */
  readonly args?: readonly string[] | undefined;
}

export type JobEntry = ModuleEntry | CommandEntry;

/**
 * `process`: every run has a process of its own. `reuse`: runs of one package version share warm processes, many at a
 * time, each for many jobs.
 */
export type Isolation = "process" | "reuse";

export interface ManifestJob {
  readonly jobType: string;
  readonly entry: JobEntry;
  /** Fields that differ from the default retry policy. */
  readonly retry?: RetryOverrides | undefined;
  readonly timeoutMs?: number | undefined;
  /** Longest time without progress, log or output. Default: no limit. */
  readonly idleTimeoutMs?: number | undefined;
  /** Memory of all processes of one run, in MiB; with `reuse`, of a shared process. Default: the worker's. */
  readonly memoryMb?: number | undefined;
  /** Default: "process". Programs cannot be reused. */
  readonly isolation?: Isolation | undefined;
  /** How many of its jobs run at once, and how many start per time, over all workers of a tenant. Default: no limit. */
  readonly limits?: JobLimits | undefined;
  /** JSON Schema of the parameters as they are submitted. Absent: only the job judges them. */
  readonly parameters?: JsonSchema | undefined;
  /** JSON Schema of the output as it is kept. */
  readonly output?: JsonSchema | undefined;
}

export interface Manifest {
  readonly manifestVersion: typeof MANIFEST_VERSION;
  readonly name: string;
  /** The author's own version, for people. Versions are told apart by the hash of the ZIP. */
  readonly version?: string | undefined;
  /** "any": the package contains nothing made for one platform. */
  readonly platform: PackagePlatform | "any";
  readonly jobs: readonly ManifestJob[];
  readonly timers?: readonly ManifestTimer[] | undefined;
  /** What each tenant gives to the jobs of the package. */
  readonly settings?: readonly ManifestSetting[] | undefined;
  /** Services of Azure that its jobs get tokens for, where the tenant is granted them. */
  readonly tokenAudiences?: readonly string[] | undefined;
}

const moduleEntry = strictObject({ kind: z.literal("module"), file: packageFile, export: exportName.optional() });

const manifestJob = strictObject({
  jobType: oneLine(DISPLAY_NAME_MAX_LENGTH),
  entry: z.discriminatedUnion("kind", [moduleEntry, commandSchema], 'expected kind "module" or "command"'),
  retry: retrySchema.optional(),
  timeoutMs: timeoutSchema.optional(),
  idleTimeoutMs: idleTimeoutSchema.optional(),
  memoryMb: memorySchema.optional(),
  isolation: isolationSchema.optional(),
  limits: limitsSchema.optional(),
  parameters: jsonSchema.optional(),
  output: jsonSchema.optional(),
}).superRefine(({ entry, isolation }, context) => {
  if (entry.kind === "module" || isolation !== "reuse") return;
  const message = 'expected "process": a program cannot be reused';
  context.addIssue({ code: "custom", path: ["isolation"], message });
});

const manifest = strictObject({
  manifestVersion: z.literal(MANIFEST_VERSION, `expected ${MANIFEST_VERSION}; this runtime knows no other version`),
  name: matching(PACKAGE_NAME_PATTERN, "letters, digits, inner dots, hyphens and underscores"),
  version: oneLine(100).optional(),
  platform: z.union([z.literal("any"), platformSchema], 'expected "any" or { os, arch, libc? }'),
  jobs: z
    .array(manifestJob, "expected a list of jobs")
    .min(1, "expected at least one job")
    .superRefine(refuseRepeatedTypes),
  timers: z.array(manifestTimer, "expected a list of timers").optional(),
  settings: manifestSettings.optional(),
  tokenAudiences: tokenAudiences.optional(),
}).superRefine(({ jobs, timers = [] }, context) => {
  for (const { path, message } of timerProblems(timers, jobs)) {
    context.addIssue({ code: "custom", path: ["timers", ...path], message });
  }
  for (const [index, { jobType, limits }] of jobs.entries()) {
    if (limits === undefined || !timers.some(({ timerName }) => timerName === jobType)) continue;
    const message = "expected none: runs of a timer are limited by its overlap";
    context.addIssue({ code: "custom", path: ["jobs", index, "limits"], message });
  }
}) satisfies z.ZodType<Manifest>;

function refuseRepeatedTypes(jobs: readonly { jobType: string }[], context: z.RefinementCtx): void {
  const first = new Map<string, number>();
  jobs.forEach(({ jobType }, index) => {
    const earlier = first.get(jobType);
    if (earlier === undefined) first.set(jobType, index);
    else {
      const message = `expected job types that differ; jobs[${earlier}] is ${JSON.stringify(jobType)} too`;
      context.addIssue({ code: "custom", path: [index, "jobType"], message });
    }
  });
}

/** The manifest in the bytes of a `job.json`. Throws PackageError "ManifestInvalid" that names every wrong field. */
export function parseManifest(bytes: Uint8Array): Manifest {
  if (bytes.byteLength > MANIFEST_MAX_BYTES) {
    throw new PackageError("ManifestInvalid", `${MANIFEST_FILE} is larger than ${MANIFEST_MAX_BYTES} bytes.`);
  }
  return checkManifest(valueOf(bytes));
}

function valueOf(bytes: Uint8Array): unknown {
  try {
    return parseJson(bytes);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new PackageError("ManifestInvalid", `${MANIFEST_FILE} ${error.message}.`, { cause: error });
  }
}

/**
 * As `parseManifest`, for a package that has been accepted, perhaps by a later release. Throws UnreadableError for a version
 * that only another release knows: that is no fault of the package.
 */
export function parseAcceptedManifest(bytes: Uint8Array): Manifest {
  try {
    return parseManifest(bytes);
  } catch (error) {
    const version = versionIn(bytes);
    if (version === undefined || version === MANIFEST_VERSION) throw error;
    const message = `The version of ${MANIFEST_FILE} is ${version}; this release reads ${MANIFEST_VERSION}.`;
    throw new UnreadableError("manifest", message, { cause: error });
  }
}

const versionSchema = z.object({ manifestVersion: z.int().positive() });

function versionIn(bytes: Uint8Array): number | undefined {
  try {
    return versionSchema.parse(parseJson(bytes)).manifestVersion;
  } catch {
    // Not one of any release.
    return undefined;
  }
}

/** As `parseManifest`, for a value that has been parsed. */
export function checkManifest(value: unknown): Manifest {
  const result = manifest.safeParse(value);
  if (result.success) return result.data;
  const details = fieldProblems(result.error);
  const [first] = details;
  const more = details.length > 1 ? ` (and ${details.length - 1} more)` : "";
  const where = first === undefined || first.target === "" ? "" : `: ${first.target}`;
  throw new PackageError("ManifestInvalid", `${MANIFEST_FILE}${where}: ${first?.message ?? "invalid"}${more}.`, {
    details,
  });
}
