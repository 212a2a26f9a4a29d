/** What a run knows besides the recorded writes, and questions to both that more than one rule asks. */
import type { Command } from "./commands.ts";
import type { Counts } from "./counts.ts";
import type { JobRow } from "./recorded-rows.ts";

export interface RunFacts {
  /** Jobs whose submit was answered. */
  readonly accepted: readonly string[];
  /** The rows in the tables at the end, read by the system's own means, by job. */
  readonly found: ReadonlyMap<string, Pick<JobRow, "state" | "etag">>;
  /** What the system itself says of its batches at the end, by batch. */
  readonly counts: ReadonlyMap<string, Counts>;
  /** What callers have asked for. */
  readonly commands: readonly Command[];
}

const TERMINAL: ReadonlySet<string> = new Set(["succeeded", "failed", "canceled"]);
export const isTerminal = (state: string | undefined): boolean => state !== undefined && TERMINAL.has(state);

/**
 * The record has the moment at which storage had answered the recorder, which is a little after others could see the
 * write; on a busy machine a little is long.
 */
export const CLOCK_SLACK_MS = 1_000;

/** Batch ids and job ids read as paths. */
export const isOfBatch = (jobId: string, batchId: string): boolean => jobId.startsWith(`${batchId}.`);

export const names = ({ jobIds, batchId }: Command, jobId: string): boolean =>
  jobIds.includes(jobId) || (batchId !== undefined && isOfBatch(jobId, batchId));

/** How many requests of a kind had been sent about a job by then. */
export const requestsFor = (
  commands: readonly Command[],
  kind: Command["kind"],
  { jobId, at }: { readonly jobId: string; readonly at: number },
): number =>
  commands
    .filter((command) => command.kind === kind && names(command, jobId))
    .reduce((sum, { triedAt }) => sum + triedAt.filter((tried) => tried <= at + CLOCK_SLACK_MS).length, 0);
