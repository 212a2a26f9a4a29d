/** The options that choose jobs of a tenant. */
import type { JobFilterFields, JobState } from "../client/index.ts";
import { UsageError } from "./exit-codes.ts";
import { sinceOf } from "./since.ts";

export interface FilterOptions {
  readonly state?: readonly JobState[];
  readonly type?: string;
  readonly package?: string;
  readonly tag?: string;
  readonly text?: string;
  readonly since?: string;
  readonly until?: string;
  readonly delayed?: true;
}

/** Throws UsageError. */
export function filterOf(
  { state, type, package: jobProcessorPackageName, tag, text, since, until, delayed }: FilterOptions,
  now = new Date(),
): JobFilterFields {
  if (delayed && state?.some((one) => one !== "queued"))
    throw new UsageError("--delayed jobs are queued: leave out --state.");
  return {
    state,
    jobType: type,
    jobProcessorPackageName,
    tag,
    text,
    since: since === undefined ? undefined : sinceOf(since, now),
    until: until === undefined ? undefined : sinceOf(until, now, "--until"),
    delayed,
  };
}
