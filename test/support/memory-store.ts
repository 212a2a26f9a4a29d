/**
 * A JobStore in memory with the semantics of the real one: exact ETags, legal transitions, counters. Faults are put
 * around it: a write may land and lose its answer, or be refused because somebody moved the row first.
 */
import { UnavailableError } from "../../runtime/core/errors.ts";
import type { Job } from "../../runtime/core/job.ts";
import type { JobStore, JobUpdate, WriteResult } from "../../runtime/core/ports/job-store.ts";
import type { Stored } from "../../runtime/core/ports/stored.ts";
import { assertTransition } from "../../runtime/core/states.ts";

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
  const rows = new Map<string, Stored<Job>>();
  const transitions: string[] = [];
  let version = 0;

  const put = (job: Job): Stored<Job> => {
    const stored = { value: job, etag: `v${++version}` };
    rows.set(job.jobId, stored);
    return stored;
  };
  const answer = (write: () => WriteResult, jobId: string, fate: Fate | undefined): WriteResult => {
    if (fate instanceof Error) throw fate;
    const result = write();
    if (fate === "go-dark") throw new UnavailableError("StorageUnavailable", "away");
    return fate === "lose-answer" ? { written: false, current: rows.get(jobId) } : result;
  };

  const store: MemoryStore = {
    transitions,
    fault: undefined,
    put,
    row: (jobId) => rows.get(jobId)!.value,
    get: (jobId) => Promise.resolve(rows.get(jobId)),
    insert: (job) =>
      Promise.resolve(
        rows.has(job.jobId) ? { written: false, current: rows.get(job.jobId) } : { written: true, etag: put(job).etag },
      ),
    update: async (update) => {
      const { jobId, etag, from, to, changes } = update;
      assertTransition(from, to);
      const fate = store.fault?.(update);
      await Promise.resolve();
      return answer(
        () => {
          const current = rows.get(jobId);
          if (current?.etag !== etag) return { written: false, current };
          const { history: entries = [], ...rest } = changes;
          const kept = current.value.history.filter(
            (old) => !entries.some((entry) => entry.execution === old.execution),
          );
          const history = [...kept, ...entries].sort((a, b) => a.execution - b.execution);
          transitions.push(`${current.value.state} → ${to}`);
          return { written: true, etag: put({ ...current.value, ...rest, history, state: to }).etag };
        },
        jobId,
        fate,
      );
    },
  };
  return store;
}
