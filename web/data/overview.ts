/** The sums of a tenant that the first page shows, over its newest batches. */
import { useQuery } from "@tanstack/react-query";
import type { BatchView, JobServiceClient, JobView } from "../../runtime/client/index.ts";
import { addCounts, NO_COUNTS, type StateCounts } from "../../runtime/core/job/states.ts";
import { useClient } from "./session.ts";

/** Batches whose counts are summed, newest first. Each costs one request. */
const BATCHES_MAX = 12;
/** Jobs of these batches that the charts and lists are made of. */
const JOBS_PER_BATCH_MAX = 200;

export interface Overview {
  readonly counts: StateCounts;
  readonly batchCount: number;
  /** Whether the tenant has more batches than were read. */
  readonly isPart: boolean;
  /** Of the batches that were read, the jobs that were read. */
  readonly jobs: readonly JobView[];
}

export function useOverview(tenantName: string | undefined) {
  const client = useClient();
  return useQuery({
    queryKey: ["overview", tenantName],
    enabled: tenantName !== undefined,
    queryFn: ({ signal }) => readOverview(client, tenantName ?? "", signal),
  });
}

async function readOverview(
  { monitoring }: JobServiceClient,
  tenantName: string,
  signal: AbortSignal,
): Promise<Overview> {
  let newest: readonly BatchView[] = [];
  let isPart = false;
  for await (const page of monitoring.getBatches(tenantName, { pageSize: BATCHES_MAX, signal }).pages()) {
    newest = page.items;
    isPart = page.continuationToken !== undefined;
    break;
  }
  const read = await Promise.all(
    newest.map(async ({ batchId }) => {
      const [batch, jobs] = await Promise.all([
        monitoring.getBatch(batchId, { signal }),
        firstPage(monitoring.getJobsFromBatch(batchId, { pageSize: JOBS_PER_BATCH_MAX, signal }).pages()),
      ]);
      return { counts: batch.counts ?? NO_COUNTS, jobs };
    }),
  );
  return {
    counts: read.reduce<StateCounts>((sum, { counts }) => addCounts(sum, counts), NO_COUNTS),
    batchCount: newest.length,
    isPart,
    jobs: read.flatMap(({ jobs }) => jobs),
  };
}

async function firstPage<T>(pages: AsyncIterable<{ readonly items: readonly T[] }>): Promise<readonly T[]> {
  for await (const { items } of pages) return items;
  return [];
}

/** Workers of all pools; for administrators. */
export function useWorkers(enabled: boolean, everyMs?: number) {
  const client = useClient();
  return useQuery({
    queryKey: ["workers"],
    enabled,
    // A heartbeat makes no event.
    ...(everyMs !== undefined && { refetchInterval: everyMs }),
    queryFn: ({ signal }) => client.monitoring.getWorkers({ signal }),
  });
}

export function useTimers(tenantName: string | undefined) {
  const client = useClient();
  return useQuery({
    queryKey: ["timers", tenantName],
    enabled: tenantName !== undefined,
    queryFn: ({ signal }) => Array.fromAsync(client.timers.list(tenantName ?? "", { signal })),
  });
}

/** Which parts of the system are away, by `GET /readyz`. It needs no token. */
export function useReadiness() {
  return useQuery({
    queryKey: ["readiness"],
    refetchInterval: 60_000,
    queryFn: async ({ signal }) => {
      const response = await fetch("/readyz", { signal });
      return { isReady: response.ok, body: (await response.json()) as unknown };
    },
  });
}
