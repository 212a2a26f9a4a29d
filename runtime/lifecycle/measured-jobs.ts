/** The store of jobs, with its refused writes counted. */
import type { JobStore, WriteResult } from "../core/ports/job-store.ts";
import type { Metrics } from "../telemetry/metrics.ts";

export function measureConflicts(jobs: JobStore, metrics: Pick<Metrics, "rowConflicts">): JobStore {
  function counted(result: WriteResult): WriteResult {
    if (!result.written) metrics.rowConflicts.add(1, { table: "jobs" });
    return result;
  }
  return {
    ...jobs,
    insert: async (job) => counted(await jobs.insert(job)),
    update: async (update) => counted(await jobs.update(update)),
  };
}
