/** Small job packages for tests, written by hand: what `jobyard pack` would make of a few lines of source. */
import type { JobLimits } from "../../../runtime/core/admission/limit.ts";
import type { JsonSchema } from "../../../runtime/core/package/json-schema.ts";
import type { Manifest, ManifestTimer } from "../../../runtime/core/package/manifest.ts";
import { buildZip, type ZipEntry } from "./zip-builder.ts";

export interface TestPackage {
  /** Bodies of `run(job, context)` by job type, as source text. */
  readonly jobs: Readonly<Record<string, string>>;
  readonly files?: readonly ZipEntry[];
  /** Of all jobs. Default: a process each. */
  readonly isolation?: "process" | "reuse";
  /** JSON Schemas of parameters, by job type. */
  readonly schemas?: Readonly<Record<string, JsonSchema>>;
  /** Limits, by job type. */
  readonly limits?: Readonly<Record<string, JobLimits>>;
  /** Each of a job type of the package. */
  readonly timers?: readonly ManifestTimer[];
  /** Further fields of its manifest. */
  readonly manifest?: Partial<Manifest>;
}

export function testPackage({
  jobs,
  files = [],
  isolation = "process",
  schemas = {},
  limits = {},
  timers,
  manifest: more,
}: TestPackage): Buffer {
  const types = Object.keys(jobs);
  const manifest = {
    manifestVersion: 1,
    name: "test-package",
    platform: "any",
    jobs: types.map((jobType) => ({
      jobType,
      isolation,
      entry: { kind: "module", file: "main.mjs", export: jobType },
      parameters: schemas[jobType],
      limits: limits[jobType],
    })),
    ...(timers && { timers }),
    ...more,
  };
  const source = Object.entries(jobs).map(
    ([jobType, body]) => `export const ${jobType} = declare("${jobType}", async (job, context) => { ${body} });`,
  );
  return buildZip([
    { name: "job.json", content: JSON.stringify(manifest) },
    { name: "main.mjs", content: [DECLARE, ...source].join("\n") },
    ...files,
  ]);
}

/** The mark by which the runtime knows a declared job (runtime/job-sdk/define-job.ts). */
const DECLARE = `
import fs from "node:fs";
import path from "node:path";
const declare = (jobType, run) =>
  Object.defineProperty({ jobType, run, retry: undefined, timeoutMs: undefined }, Symbol.for("jobyard.job"), { value: 1 });
const nonRetryable = (message) =>
  Object.defineProperty(new Error(message), Symbol.for("jobyard.nonRetryable"), { value: true });
`;
