/** The facts of a run in addition to the recorded writes, and queries on both that several rules use. */
import type { Command } from "./commands.ts";
import type { Counts } from "./counts.ts";
import type { JobRow } from "./recorded-rows.ts";
import type { JobChange } from "./replay.ts";

export interface RunFacts {
  /** Jobs whose submit was answered. */
  readonly accepted: readonly string[];
  /** The rows in the tables at the end, by job, read with the system's own code. */
  readonly found: ReadonlyMap<string, Pick<JobRow, "state" | "etag">>;
  /** The system's own view of its batches at the end, by batch. */
  readonly counts: ReadonlyMap<string, Counts>;
  /** The commands of callers. */
  readonly commands: readonly Command[];
  /** When all jobs had ended, or the run gave up. In ms since the epoch. */
  readonly endedAt?: number;
}

const TERMINAL: ReadonlySet<string> = new Set(["succeeded", "failed", "canceled"]);
export const isTerminal = (state: string | undefined): boolean => state !== undefined && TERMINAL.has(state);

/**
 * The record has the time at which storage answered the recorder. Others could see the write a little earlier, and on a
 * busy machine that can be long.
 */
export const CLOCK_SLACK_MS = 1_000;

/** Of a queued job, or a takeover. */
export const isStart = ({ before, after }: Pick<JobChange, "before" | "after">): boolean =>
  after.state === "running" && after.claimId !== before?.claimId;

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
