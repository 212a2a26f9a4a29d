/** What a tenant may use and how long what is left of its jobs is kept: quotas, share of the slots, retention. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { PutQuotasBody, PutRetentionBody } from "../../runtime/client/index.ts";
import { useClient } from "./session.ts";

export function useQuotas(tenantName: string) {
  const { monitoring } = useClient();
  return useQuery({
    queryKey: ["quotas", tenantName],
    queryFn: ({ signal }) => monitoring.getQuotas(tenantName, { signal }),
  });
}

export function useRetention(tenantName: string) {
  const { monitoring } = useClient();
  return useQuery({
    queryKey: ["retention", tenantName],
    queryFn: ({ signal }) => monitoring.getRetention(tenantName, { signal }),
  });
}

export function useLimitActions(tenantName: string) {
  const { management } = useClient();
  const queries = useQueryClient();
  const read = (kind: string) => (): void => {
    void queries.invalidateQueries({ queryKey: [kind] });
    void queries.invalidateQueries({ queryKey: ["audit"] });
  };
  return {
    quotas: useMutation({
      mutationFn: (quotas: PutQuotasBody) => management.putQuotas(tenantName, quotas),
      onSuccess: read("quotas"),
    }),
    /** Undefined: the system's defaults. */
    retention: useMutation({
      mutationFn: async (retention: PutRetentionBody | undefined): Promise<void> => {
        if (retention === undefined) await management.deleteRetention(tenantName);
        else await management.putRetention(tenantName, retention);
      },
      onSuccess: read("retention"),
    }),
    weigh: useMutation({
      mutationFn: (weight: number) => management.putWeight(tenantName, weight),
      onSuccess: read("tenants"),
    }),
  };
}
