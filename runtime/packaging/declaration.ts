/** Reads one call of `defineJob`: what can be known about a job without running it. */
import type ts from "typescript";
import { DISPLAY_NAME_MAX_LENGTH } from "../core/limits.ts";
import {
  idleTimeoutSchema,
  isolationSchema,
  memorySchema,
  oneLine,
  retrySchema,
  timeoutSchema,
} from "../core/manifest-fields.ts";
import type { ManifestJob } from "../core/manifest.ts";
import { type DeclarationScan, type Options, readOptions, withoutGaps } from "./options.ts";
import type { SourcePosition } from "./problem.ts";
import { type SourceModule, positionOf } from "./source-modules.ts";

/** What the source says of a job; of the options only those that were written. */
export interface JobDeclaration extends Omit<ManifestJob, "entry"> {
  readonly file: string;
  readonly exportName: string;
  readonly position: SourcePosition;
}

/** Undefined when the declaration cannot be used; `problems` says why. */
export function readDeclaration(
  module: SourceModule,
  call: ts.CallExpression,
  exportName: string,
  scan: DeclarationScan,
): JobDeclaration | undefined {
  const options = readOptions(module, call, { functionName: "defineJob", what: "job" }, scan);
  if (options === undefined) return undefined;
  const jobType = options.constant("jobType", oneLine(DISPLAY_NAME_MAX_LENGTH));
  const others = readExecution(options);
  options.refuseUnknown(["parameters", "run"]);
  if (jobType === undefined) {
    if (!options.has("jobType")) {
      scan.problems.push({ message: "This job has no jobType.", position: positionOf(module, options.node) });
    }
    return undefined;
  }
  return { jobType, ...others, file: module.file, exportName, position: positionOf(module, call) };
}

/** How its attempts are run and repeated. */
export const readExecution = (options: Options): Partial<Omit<ManifestJob, "jobType" | "entry">> =>
  withoutGaps({
    retry: options.constant("retry", retrySchema),
    timeoutMs: options.constant("timeoutMs", timeoutSchema),
    idleTimeoutMs: options.constant("idleTimeoutMs", idleTimeoutSchema),
    memoryMb: options.constant("memoryMb", memorySchema),
    isolation: options.constant("isolation", isolationSchema),
  });
