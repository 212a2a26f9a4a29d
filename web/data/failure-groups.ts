/** Failed jobs as kinds: by code, type and the first frame of the author's own code. */
import type { JobView } from "../../runtime/client/index.ts";

export interface FailureGroup {
  readonly key: string;
  readonly code: string;
  readonly jobType: string;
  /** The first frame of the author's own code, as `sum (src/sums.ts:8:11)`. */
  readonly frame: string | undefined;
  /** Newest first. */
  readonly jobs: readonly JobView[];
  readonly latest: JobView;
  /** When the first and the last of them failed. */
  readonly firstAt: string;
  readonly lastAt: string;
  /** Hashes of the versions of the package that failed so. */
  readonly versions: readonly string[];
}

/** The largest first; then what failed last. */
export function groupFailures(jobs: readonly JobView[]): readonly FailureGroup[] {
  return [...Map.groupBy(jobs, keyOf)]
    .map(([key, members]) => groupOf(key, members))
    .sort((a, b) => b.jobs.length - a.jobs.length || Date.parse(b.lastAt) - Date.parse(a.lastAt));
}

/** `new`: none of the earlier jobs failed so. `back`: some did, and then none for as long as the page looks back. */
export type Novelty = "new" | "back";

/** Undefined: it goes on as before. `spanMs`: how far the page looks back. */
export function noveltyOf(
  { key, firstAt }: Pick<FailureGroup, "key" | "firstAt">,
  earlier: readonly FailureGroup[],
  spanMs: number,
): Novelty | undefined {
  const before = earlier.find((group) => group.key === key);
  if (before === undefined) return "new";
  return Date.parse(firstAt) - Date.parse(before.lastAt) >= spanMs ? "back" : undefined;
}

const keyOf = (job: JobView): string => JSON.stringify([job.failure?.code, job.jobType, topFrame(job.failure?.stack)]);

function groupOf(key: string, members: readonly JobView[]): FailureGroup {
  const jobs = members.toSorted((a, b) => (failedAt(a) < failedAt(b) ? 1 : -1));
  const [latest, first] = [jobs[0], jobs.at(-1)];
  if (latest === undefined || first === undefined) throw new Error("A group has members.");
  return {
    ...{ key, jobs, latest, jobType: latest.jobType },
    code: latest.failure?.code ?? "?",
    frame: topFrame(latest.failure?.stack),
    firstAt: failedAt(first),
    lastAt: failedAt(latest),
    versions: [...new Set(jobs.flatMap(({ packageHash }) => packageHash ?? []))],
  };
}

/** A job can fail without a start. */
const failedAt = ({ failure, endedAt, submittedAt }: JobView): string => failure?.failedAt ?? endedAt ?? submittedAt;

/** Of the author's own code; else the first there is. Node's own frames and Jobyard's are left out of a stack. */
function topFrame(stack = ""): string | undefined {
  const frames = stack
    .split("\n")
    .map((frame) => frame.trim().replace(/^at (?:async )?/, ""))
    .filter((frame) => frame !== "");
  return frames.find((frame) => !frame.includes("node_modules/") && !frame.includes("<anonymous>")) ?? frames[0];
}
