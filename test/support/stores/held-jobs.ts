/**
 * The memory jobs under a test's direct control: rows are put at once, every transition is recorded, and writes can fail:
 * one may land and lose its answer, or be refused because another write changed the row first.
 */
import { jobCells, jobKeys } from "../../../runtime/azure/tables/job-entity.ts";
import { UnavailableError } from "../../../runtime/core/errors.ts";
import type { Job } from "../../../runtime/core/job/job.ts";
import type { JobStore, JobUpdate } from "../../../runtime/core/ports/job-store.ts";
import type { Stored } from "../../../runtime/core/ports/stored.ts";
import { assertChange } from "../../../runtime/core/job/states.ts";
import { createMemoryJobs, storedJob } from "./memory-jobs.ts";
import { atOnce, MemoryTable } from "./memory-table.ts";

/**
 * What becomes of a write: `lose-answer` lands it and reports the row as read afterwards, `go-dark` lands it and then
 * answers nothing at all, an error stops it before it lands.
 */
export type Fate = "lose-answer" | "go-dark" | Error;

export interface MemoryStore extends Pick<JobStore, "insert" | "get" | "update"> {
  /** Every state a job went through, in order. */
  readonly transitions: readonly string[];
  row(jobId: string): Job;
  put(job: Job): Stored<Job>;
  /** Called before each update; what it returns decides the fate of the write. */
  fault: ((update: JobUpdate) => Fate | undefined) | undefined;
}

export function createMemoryStore(): MemoryStore {
  const table = new MemoryTable(atOnce);
  const jobs = createMemoryJobs(table);
  const transitions: string[] = [];
  const stored = (jobId: string): Stored<Job> | undefined => {
    const row = table.peek(jobKeys(jobId));
    return row && storedJob(row);
  };

  const store: MemoryStore = {
    transitions,
    fault: undefined,
    put(job) {
      table.put(jobKeys(job.jobId), jobCells(job));
      return stored(job.jobId)!;
    },
    row: (jobId) => stored(jobId)!.value,
    get: (jobId) => jobs.get(jobId),
    insert: (job) => jobs.insert(job),
    async update(update) {
      const { jobId, from, to, changes } = update;
      assertChange(from, to, changes);
      const fate = store.fault?.(update);
      if (fate instanceof Error) throw fate;
      const before = stored(jobId)?.value.state;
      const result = await jobs.update(update);
      if (result.written) transitions.push(`${before} → ${to}`);
      if (fate === "go-dark") throw new UnavailableError("StorageUnavailable", "away");
      return fate === "lose-answer" ? { written: false, current: stored(jobId) } : result;
    },
  };
  return store;
}
