/** Workers of all pools, the jobs that run and wait of one tenant, and draining. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { JobState, JobView, WorkerView } from "../../runtime/client/index.ts";
import { useClient } from "./session.ts";

/** Jobs that are read to show what runs and what waits. */
const SHOWN_JOBS_MAX = 500;

/** The newest of a tenant's jobs in this state; `isPart`: it has more. */
export interface SomeJobs {
  readonly jobs: readonly JobView[];
  readonly isPart: boolean;
}

export function useJobsInState(tenantName: string | undefined, state: JobState) {
  const client = useClient();
  return useQuery({
    queryKey: ["jobs", tenantName, "in-state", state],
    enabled: tenantName !== undefined,
    queryFn: async ({ signal }): Promise<SomeJobs> => {
      const found = client.monitoring.findJobs(tenantName ?? "", { state, pageSize: SHOWN_JOBS_MAX, signal });
      for await (const { items, continuationToken } of found.pages())
        return { jobs: items, isPart: continuationToken !== undefined };
      return { jobs: [], isPart: false };
    },
  });
}

export function useDrainWorker() {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ pool, workerId }: Pick<WorkerView, "pool" | "workerId">) =>
      client.management.drainWorker(pool, workerId),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["workers"] }),
  });
}
