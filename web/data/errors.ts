/** Failed jobs, grouped by what went wrong and where. */
import { useQuery } from "@tanstack/react-query";
import type { JobView } from "../../runtime/client/index.ts";
import { instantOf } from "../components/address.ts";
import { useClient } from "./session.ts";

/** The newest that are read and grouped. */
export const FAILED_MAX = 1_000;
const PAGE_SIZE = 250;

export interface FailedJobs {
  readonly jobs: readonly JobView[];
  /** There are more, which are older. */
  readonly isPart: boolean;
}

/** `since`: a span before now, or an instant. */
export function useFailedJobs(tenantName: string | undefined, since: string) {
  const client = useClient();
  return useQuery({
    queryKey: ["errors", tenantName, since],
    enabled: tenantName !== undefined,
    queryFn: async ({ signal }): Promise<FailedJobs> => {
      const jobs: JobView[] = [];
      const filter = { state: "failed", since: instantOf(since, Date.now()) } as const;
      const found = client.monitoring.findJobs(tenantName ?? "", { ...filter, pageSize: PAGE_SIZE, signal });
      for await (const page of found.pages()) {
        jobs.push(...page.items);
        if (jobs.length >= FAILED_MAX) return { jobs, isPart: page.continuationToken !== undefined };
      }
      return { jobs, isPart: false };
    },
  });
}

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
    .sort((a, b) => b.jobs.length - a.jobs.length || (a.lastAt < b.lastAt ? 1 : -1));
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
function topFrame(stack: string | undefined): string | undefined {
  const frames = stack?.split("\n").map((frame) => frame.trim().replace(/^at (?:async )?/, "")) ?? [];
  const own = frames.find((frame) => !frame.includes("node_modules/") && !frame.includes("<anonymous>"));
  return own ?? frames.find((frame) => frame !== "");
}
