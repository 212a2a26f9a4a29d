/** Batches of a tenant, and what can be done with one. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { BatchView, JobState, JobView } from "../../runtime/client/index.ts";
import { NO_COUNTS, openOf } from "../../runtime/core/job/states.ts";
import { useLongList, type LongList } from "./listing.ts";
import { OPEN_EVERY_MS } from "./live.ts";
import { useClient } from "./session.ts";

export function useBatches(tenantName: string | undefined): LongList<BatchView> {
  const client = useClient();
  return useLongList({
    queryKey: ["batches", tenantName],
    enabled: tenantName !== undefined,
    pageSize: 50,
    list: (options) => client.monitoring.getBatches(tenantName ?? "", options),
  });
}

/** With its exact counts. */
export function useBatch(batchId: string) {
  const client = useClient();
  return useQuery({
    queryKey: ["batch", batchId],
    queryFn: ({ signal }) => client.monitoring.getBatch(batchId, { signal }),
    refetchInterval: ({ state: { data } }) => (openOf(data?.counts ?? NO_COUNTS) === 0 ? false : OPEN_EVERY_MS),
  });
}

export function useJobsOfBatch(batchId: string, state: JobState | undefined): LongList<JobView> {
  const client = useClient();
  return useLongList({
    queryKey: ["jobs", batchId, state ?? "any"],
    list: (options) => client.monitoring.getJobsFromBatch(batchId, { ...options, state }),
  });
}

/** Each takes the batch's id. */
export function useBatchActions() {
  const client = useClient();
  const queries = useQueryClient();
  const onSuccess = (_: unknown, batchId: string): void => {
    void queries.invalidateQueries({ queryKey: ["batch", batchId] });
    void queries.invalidateQueries({ queryKey: ["jobs", batchId] });
  };
  return {
    close: useMutation({ mutationFn: (batchId: string) => client.management.closeBatch(batchId), onSuccess }),
    cancel: useMutation({ mutationFn: (batchId: string) => client.management.cancelBatch(batchId), onSuccess }),
    requeueFailed: useMutation({ mutationFn: (batchId: string) => client.management.requeueBatch(batchId), onSuccess }),
  };
}
