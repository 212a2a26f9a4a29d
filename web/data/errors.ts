/** Failed jobs, grouped by what went wrong and where. */
import { useQuery } from "@tanstack/react-query";
import type { FindJobsOptions, JobServiceClient, JobView } from "../../runtime/client/index.ts";
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
    queryFn: ({ signal }) => readFailed(client, tenantName ?? "", { since: instantOf(since, Date.now()), signal }),
  });
}

/** Those before the same time, which say what is new. They hardly change, so they are read once in a while. */
export function useEarlierFailed(tenantName: string | undefined, since: string) {
  const client = useClient();
  return useQuery({
    queryKey: ["errors-before", tenantName, since],
    enabled: tenantName !== undefined,
    staleTime: EARLIER_FOR_MS,
    queryFn: ({ signal }) => readFailed(client, tenantName ?? "", { until: instantOf(since, Date.now()), signal }),
  });
}

const EARLIER_FOR_MS = 10 * 60_000;

async function readFailed(
  { monitoring }: JobServiceClient,
  tenantName: string,
  options: FindJobsOptions,
): Promise<FailedJobs> {
  const jobs: JobView[] = [];
  const found = monitoring.findJobs(tenantName, { ...options, state: "failed", pageSize: PAGE_SIZE });
  for await (const page of found.pages()) {
    jobs.push(...page.items);
    if (jobs.length >= FAILED_MAX) return { jobs, isPart: page.continuationToken !== undefined };
  }
  return { jobs, isPart: false };
}
