/** Reads `package.json`: the package's name, its dependencies, and the settings that are not in the source. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { messageOf } from "../../core/errors.ts";
import { parseJson } from "../../core/json.ts";
import { DISPLAY_NAME_MAX_LENGTH } from "../../core/limits.ts";
import {
  PACKAGE_NAME_PATTERN,
  commandSchema,
  fieldProblems,
  idleTimeoutSchema,
  jsonSchema,
  limitsSchema,
  matching,
  memorySchema,
  oneLine,
  packageFile,
  retrySchema,
  strictObject,
  timeoutSchema,
} from "../../core/package/manifest-fields.ts";
import { manifestTimer } from "../../core/package/manifest-timers.ts";
import { manifestSettings } from "../../core/package/manifest-settings.ts";
import type { ManifestJob, ManifestSetting, ManifestTimer } from "../../core/package/manifest.ts";
import { closestName } from "../../core/text.ts";
import { PackError, packError } from "./problem.ts";
import { authorTimeZoneSchema } from "./time-zones.ts";

export interface PackageJson {
  /** The package's name in Jobyard. */
  readonly name: string;
  readonly version: string | undefined;
  /** Files and directories to copy unchanged. */
  readonly files: readonly string[];
  /** Modules to copy instead of bundling, in addition to native ones. */
  readonly external: readonly string[];
  /** Modules that look for files of their own but are bundled without a warning. */
  readonly bundled: readonly string[];
  /** Jobs that are programs. */
  readonly commands: readonly ManifestJob[];
  /** Jobs that start on a schedule. */
  readonly timers: readonly ManifestTimer[];
  /** What each tenant gives, for packages without source. */
  readonly settings: readonly ManifestSetting[];
}

const commandJob = strictObject({
  jobType: oneLine(DISPLAY_NAME_MAX_LENGTH),
  command: commandSchema.shape.command,
  args: commandSchema.shape.args,
  retry: retrySchema.optional(),
  timeoutMs: timeoutSchema.optional(),
  idleTimeoutMs: idleTimeoutSchema.optional(),
  memoryMb: memorySchema.optional(),
  limits: limitsSchema.optional(),
  parameters: jsonSchema.optional(),
});

const packageTimer = manifestTimer.extend({ timeZone: authorTimeZoneSchema.optional() });

const modules = z.array(z.string("expected the name of a module"), "expected a list of modules").default([]);
const FIELD = "jobyard";

const packageJson = z.object(
  {
    name: z.string("expected the name of the package"),
    version: oneLine(100).optional(),
    jobyard: strictObject({
      name: matching(PACKAGE_NAME_PATTERN, "letters, digits, inner dots, hyphens and underscores").optional(),
      files: z.array(packageFile, "expected a list of files and directories").default([]),
      external: modules,
      bundled: modules,
      jobs: z.array(commandJob, "expected a list of jobs").default([]),
      timers: z.array(packageTimer, "expected a list of timers").default([]),
      settings: manifestSettings.default([]),
    }).prefault({}),
  },
  "expected an object",
);

/** Throws PackError if the file is missing or invalid. */
export async function readPackageJson(directory: string): Promise<PackageJson> {
  const value = await readJson(directory);
  const misspelt = misspeltField(value);
  if (misspelt !== undefined) {
    throw packError(`package.json: ${JSON.stringify(misspelt)} is not read (did you mean "${FIELD}"?).`);
  }
  const result = packageJson.safeParse(value);
  if (!result.success) {
    const problems = fieldProblems(result.error);
    throw new PackError(problems.map(({ target, message }) => ({ message: `package.json: ${target}: ${message}` })));
  }
  const { jobyard, version } = result.data;
  // "@scope/thumbnails" becomes "thumbnails", because the name is a blob's name and the tenant is the scope.
  const name = jobyard.name ?? result.data.name.replace(/^@[^/]*\//, "");
  if (!PACKAGE_NAME_PATTERN.test(name)) {
    throw packError(
      `package.json: "${name}" is not a valid package name. Set a valid one in "jobyard": { "name": … }.`,
    );
  }
  return {
    name,
    version,
    files: jobyard.files,
    external: jobyard.external,
    bundled: jobyard.bundled,
    commands: jobyard.jobs.map(({ jobType, command, args, ...rest }) => ({
      jobType,
      entry: { kind: "command", command, ...(args === undefined ? {} : { args }) },
      ...rest,
    })),
    timers: jobyard.timers,
    settings: jobyard.settings,
  };
}

/** A package.json has fields of many tools, so only a name similar to ours can be a misspelling. */
function misspeltField(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || Object.hasOwn(value, FIELD)) return undefined;
  return closestName(FIELD, Object.keys(value));
}

async function readJson(directory: string): Promise<unknown> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(join(directory, "package.json"));
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === "ENOENT" ? "" : ` (${messageOf(error)})`;
    throw packError(
      `There is no package.json in ${directory}${reason}. A package is a directory with a package.json and the source of its jobs.`,
      error,
    );
  }
  try {
    return parseJson(bytes);
  } catch (error) {
    throw packError(`package.json ${messageOf(error)}.`, error);
  }
}
