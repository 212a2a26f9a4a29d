/** The options that choose jobs of a tenant. */
import type { JobFilterFields, JobState } from "../client/index.ts";
import { UsageError } from "./exit-codes.ts";
import { instantIn } from "./input.ts";

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
    since: since === undefined ? undefined : timeIn("--since", since, now),
    until: until === undefined ? undefined : timeIn("--until", until, now),
    delayed,
  };
}

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** An instant, or a span before now: 45s, 30m, 2h, 7d. */
function timeIn(option: string, text: string, now: Date): string {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count === undefined) return instantIn(option, text);
  return new Date(now.getTime() - Number(count) * SECONDS[unit as keyof typeof SECONDS] * 1_000).toISOString();
}
