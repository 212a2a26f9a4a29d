/**
 * The environment of children: built from a list of names, never inherited. Tokens, connection strings and whatever
 * else a worker was started with stay with the worker.
 */
import type { OwnProcessSpec } from "./spec.ts";
import type { Workspace } from "./files/workspace.ts";

/** All that children see of the worker's own environment. */
export interface SharedEnvironment {
  readonly PATH: string;
  readonly LANG?: string | undefined;
  readonly TZ?: string | undefined;
}

/** What every child has from its start. */
export function sharedEnvironment({ PATH, LANG, TZ }: SharedEnvironment): Record<string, string> & { PATH: string } {
  return { PATH, ...withoutGaps({ LANG, TZ }) };
}

/** What a child gets to know when it gets its job: the same names for Node jobs and commands. */
export function jobEnvironment(
  spec: Pick<OwnProcessSpec, "job" | "packagePath" | "workspace">,
): Record<string, string> {
  const { job, packagePath, workspace } = spec;
  return withoutGaps({
    HOME: workspace.workingPath,
    TMPDIR: workspace.temporaryPath,
    JOBYARD_JOB_ID: job.jobId,
    JOBYARD_BATCH_ID: job.batchId,
    JOBYARD_TENANT_NAME: job.tenantName,
    JOBYARD_JOB_NAME: job.jobName,
    JOBYARD_JOB_TYPE: job.jobType,
    JOBYARD_PACKAGE_NAME: job.jobProcessorPackageName,
    JOBYARD_ATTEMPT: String(job.attempt),
    JOBYARD_INTERRUPTION: String(job.interruption),
    JOBYARD_CLAIM_ID: job.claimId,
    JOBYARD_WORKER_ID: job.workerId,
    JOBYARD_FENCE: job.fence === undefined ? undefined : String(job.fence),
    TRACEPARENT: job.trace,
    JOBYARD_PACKAGE_PATH: packagePath,
    JOBYARD_WORKING_PATH: workspace.workingPath,
    JOBYARD_OUTPUT_PATH: workspace.outputPath,
  });
}

/** What only commands need: Node jobs get their parameters and return their output directly. */
export function commandEnvironment({
  workspace,
  settings,
}: Pick<OwnProcessSpec, "workspace" | "settings">): Record<string, string> {
  return {
    JOBYARD_PARAMETERS_FILE: workspace.parametersFile,
    JOBYARD_RESULT_FILE: workspace.resultFile,
    // A file, not the values: every process that a job starts inherits its environment.
    ...(settings !== undefined && { JOBYARD_SETTINGS_FILE: workspace.settingsFile }),
  };
}

/** What a shared child has from its package: what differs between its jobs is in their contexts only. */
export function sharedChildEnvironment(
  { tenantName, packageName }: { readonly tenantName: string; readonly packageName: string },
  home: Pick<Workspace, "packagePath" | "workingPath" | "temporaryPath">,
): Record<string, string> {
  return withoutGaps({
    HOME: home.workingPath,
    TMPDIR: home.temporaryPath,
    JOBYARD_TENANT_NAME: tenantName,
    JOBYARD_PACKAGE_NAME: packageName,
    JOBYARD_PACKAGE_PATH: home.packagePath,
  });
}

/** Without undefined values, and without NUL, which no environment can hold. */
function withoutGaps(variables: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables)
      .filter((entry): entry is [string, string] => entry[1] !== undefined)
      .map(([name, value]) => [name, value.replaceAll("\0", "")]),
  );
}
