/** What `jobyard stats` shows, by the names of the runtime's metrics. */

export type GroupKind = "jobType" | "pool";

export interface Measure {
  /** Its name in the result. */
  readonly name: string;
  readonly metric: string;
  readonly of: GroupKind;
  /**
   * `count`: how often. `p95`: the value that 95 % do not exceed. `sum` and `max`: the latest values of all processes
   * together.
   */
  readonly as: "count" | "p95" | "sum" | "max";
  /** Only points with this outcome. */
  readonly outcome?: string;
}

export const MEASURES: readonly Measure[] = [
  { name: "ended", metric: "jobyard.job.ended", of: "jobType", as: "count" },
  { name: "failed", metric: "jobyard.job.ended", of: "jobType", as: "count", outcome: "failed" },
  { name: "wait", metric: "jobyard.job.wait", of: "jobType", as: "p95" },
  { name: "run", metric: "jobyard.job.duration", of: "jobType", as: "p95" },
  // When the leading API instance changes, two report the same queue for a moment.
  { name: "depth", metric: "jobyard.queue.depth", of: "pool", as: "max" },
  { name: "oldest", metric: "jobyard.queue.oldest.age", of: "pool", as: "max" },
  { name: "slots", metric: "jobyard.worker.slots", of: "pool", as: "sum" },
  { name: "used", metric: "jobyard.worker.slots.used", of: "pool", as: "sum" },
];

/** The attribute of a metric whose value names its group. */
export const GROUP_ATTRIBUTE: Readonly<Record<GroupKind, string>> = { jobType: "type", pool: "pool" };
