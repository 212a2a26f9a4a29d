/** Tenants, grants, the identities of pools and the audit; granting and revoking. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { AuditEntryView, PutGrantBody, TenantView } from "../../runtime/client/index.ts";
import { useLongList, type LongList } from "./listing.ts";
import { useClient } from "./session.ts";

export function useTenantList(enabled: boolean): LongList<TenantView> {
  const client = useClient();
  return useLongList({
    queryKey: ["tenants", "list"],
    enabled,
    list: (options) => client.monitoring.getTenants(options),
  });
}

export function useGrants(tenantName: string, enabled: boolean) {
  const client = useClient();
  return useQuery({
    queryKey: ["grants", tenantName],
    enabled,
    queryFn: ({ signal }) => client.monitoring.getGrants(tenantName, { signal }),
  });
}

/** The identities of pools that the tenant's jobs may use. */
export function useIdentityGrants(tenantName: string, enabled: boolean) {
  const client = useClient();
  return useQuery({
    queryKey: ["grants", tenantName, "identities"],
    enabled,
    queryFn: ({ signal }) => client.monitoring.getIdentityGrants(tenantName, { signal }),
  });
}

export interface AuditFilter {
  readonly actor: string | undefined;
  readonly operation: string | undefined;
}

/** `tenantName` undefined: changes that belong to no tenant. */
export function useAudit(
  tenantName: string | undefined,
  filter: AuditFilter,
  enabled: boolean,
): LongList<AuditEntryView> {
  const { monitoring } = useClient();
  return useLongList({
    queryKey: ["audit", tenantName, filter.actor, filter.operation],
    enabled,
    list: (options) =>
      tenantName === undefined
        ? monitoring.getSystemAudit({ ...filter, ...options })
        : monitoring.getAudit(tenantName, { ...filter, ...options }),
  });
}

export function useAccessActions() {
  const { management } = useClient();
  const queries = useQueryClient();
  const read = (kind: string) => (): void => {
    void queries.invalidateQueries({ queryKey: [kind] });
    void queries.invalidateQueries({ queryKey: ["audit"] });
  };
  return {
    grant: useMutation({
      mutationFn: ({ tenantName, principalId, ...body }: PutGrantBody & GrantName) =>
        management.putGrant(tenantName, principalId, body),
      onSuccess: read("grants"),
    }),
    revoke: useMutation({
      mutationFn: ({ tenantName, principalId }: GrantName) => management.deleteGrant(tenantName, principalId),
      onSuccess: read("grants"),
    }),
    createTenant: useMutation({
      mutationFn: (tenantName: string) => management.createTenant(tenantName),
      onSuccess: read("tenants"),
    }),
    deleteTenant: useMutation({
      mutationFn: (tenantName: string) => management.deleteTenant(tenantName),
      onSuccess: read("tenants"),
    }),
  };
}

export interface GrantName {
  readonly tenantName: string;
  readonly principalId: string;
}
