/** Moves rows as workers do, without a worker: for tests of what others make of them. */
import { randomUUID } from "node:crypto";
import type { Claim, Job } from "../../../runtime/core/job/job.ts";
import type { JobChanges, JobStore } from "../../../runtime/core/ports/job-store.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import type { JobState, TerminalState } from "../../../runtime/core/job/states.ts";

type Store = Pick<JobStore, "get" | "update">;

/** Moves the present row. Throws when another write was faster. */
async function move(jobs: Store, jobId: string, to: JobState, changesOf: (job: Job) => JobChanges): Promise<void> {
  const { value: job, etag } = (await jobs.get(jobId)) ?? noRow(jobId);
  const result = await jobs.update({ jobId, etag, from: job.state, to, changes: changesOf(job) });
  if (!result.written) throw new Error(`Row ${jobId} moved under the test's hands.`);
}

const noRow = (jobId: string): Stored<Job> => {
  throw new Error(`There is no row ${jobId}.`);
};

export const claimRow = (jobs: Store, jobId: string, claim: Partial<Claim> = {}): Promise<void> =>
  move(jobs, jobId, "running", ({ executions, attempts }) => {
    const since = new Date();
    const id = randomUUID();
    const workerId = "worker-1";
    const entry = { execution: executions + 1, attempt: attempts + 1, workerId, claimId: id, startedAt: since };
    return {
      claim: { id, workerId, bootId: "boot", queue: "jobs-default-normal", sequenceNumber: "1", since, ...claim },
      executions: executions + 1,
      startedAt: since,
      history: [entry],
    };
  });

export const endRow = (jobs: Store, jobId: string, to: TerminalState, message = "no"): Promise<void> =>
  move(jobs, jobId, to, ({ attempts }) => {
    const endedAt = new Date();
    if (to !== "failed") return { endedAt };
    const failure = { code: "JobFailed", message, attempt: attempts + 1, failedAt: endedAt, retryable: true };
    return { endedAt, attempts: attempts + 1, failure };
  });

/** As a retry does. */
export const retryRow = (jobs: Store, jobId: string, runAt?: Date): Promise<void> =>
  move(jobs, jobId, "queued", ({ ring, attempts }) => ({
    ring: ring + 1,
    attempts: attempts + 1,
    claim: undefined,
    runAt,
  }));

export const claimAndEnd = async (
  jobs: Store,
  jobId: string,
  ...end: [to: TerminalState, message?: string]
): Promise<void> => {
  await claimRow(jobs, jobId);
  await endRow(jobs, jobId, ...end);
};
