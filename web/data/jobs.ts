/** One job: its row, log and files, and what can be done with it. */
import { useMutation, useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import type { JobView } from "../../runtime/client/index.ts";
import { isTerminal } from "../../runtime/core/job/states.ts";
import { OPEN_EVERY_MS } from "./live.ts";
import { useClient } from "./session.ts";

export function useJob(jobId: string) {
  const client = useClient();
  return useQuery({
    queryKey: ["job", jobId],
    queryFn: ({ signal }) => client.monitoring.getJob(jobId, { signal }),
    refetchInterval: ({ state: { data } }) => (data === undefined || isTerminal(data.state) ? false : OPEN_EVERY_MS),
  });
}

export function useArtifacts(jobId: string, enabled: boolean) {
  const client = useClient();
  return useQuery({
    queryKey: ["job", jobId, "artifacts"],
    enabled,
    queryFn: ({ signal }) => client.monitoring.getArtifacts(jobId, { signal }),
  });
}

/** Shows the answer at once, and reads again: an event may have read a later state before the answer came. */
const showJob = (queries: QueryClient) => (job: JobView) => {
  queries.setQueryData(["job", job.jobId], job);
  void queries.invalidateQueries({ queryKey: ["job", job.jobId], exact: true });
};

export function useCancelJob() {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (jobId: string) => client.management.cancelJob(jobId),
    onSuccess: showJob(queries),
  });
}

/** A queued job may start at once. */
export function useStartNow() {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (jobId: string) => client.management.rescheduleJob(jobId, { delayMs: 0 }),
    onSuccess: showJob(queries),
  });
}

export function useRequeueJob() {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (jobId: string) => client.management.requeueJob(jobId),
    onSuccess: showJob(queries),
  });
}
