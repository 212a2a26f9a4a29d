/** What the first page shows of a tenant: its numbers, and the jobs that need somebody. */
import { useQuery } from "@tanstack/react-query";
import type { FindJobsOptions, JobServiceClient, JobView } from "../../runtime/client/index.ts";
import { useClient } from "./session.ts";

/** A start makes no event in a deployed stack. */
const OVERVIEW_EVERY_MS = 60_000;
/** Jobs that are read to name what fails, and what runs longest. */
export const NAMED_MAX = 100;
const FAILED_SINCE_MS = 24 * 60 * 60_000;

export function useOverview(tenantName: string | undefined) {
  const { monitoring } = useClient();
  return useQuery({
    queryKey: ["overview", tenantName],
    enabled: tenantName !== undefined,
    refetchInterval: OVERVIEW_EVERY_MS,
    queryFn: ({ signal }) => monitoring.getOverview(tenantName ?? "", { signal }),
  });
}

/** The newest jobs that failed in the last day. `enabled`: there are any. */
export function useLatestFailed(tenantName: string | undefined, enabled: boolean) {
  const client = useClient();
  return useQuery({
    queryKey: ["overview", tenantName, "failed"],
    enabled,
    queryFn: ({ signal }) => {
      const since = new Date(Date.now() - FAILED_SINCE_MS);
      return newest(client, tenantName ?? "", { state: "failed", since, signal });
    },
  });
}

export function useRunning(tenantName: string | undefined, enabled: boolean) {
  const client = useClient();
  return useQuery({
    queryKey: ["overview", tenantName, "running"],
    enabled,
    queryFn: ({ signal }) => newest(client, tenantName ?? "", { state: "running", signal }),
  });
}

async function newest(
  { monitoring }: JobServiceClient,
  tenantName: string,
  options: FindJobsOptions,
): Promise<readonly JobView[]> {
  for await (const { items } of monitoring.findJobs(tenantName, { ...options, pageSize: NAMED_MAX }).pages())
    return items;
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
