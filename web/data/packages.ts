/** The packages of a tenant and their job types. */
import { useQuery } from "@tanstack/react-query";
import { useClient } from "./session.ts";

/** More are not listed to choose from. */
const PACKAGES_MAX = 1_000;

export function usePackages(tenantName: string | undefined) {
  const client = useClient();
  return useQuery({
    queryKey: ["packages", tenantName],
    enabled: tenantName !== undefined,
    queryFn: async ({ signal }) => {
      const pages = client.monitoring.getPackages(tenantName ?? "", { pageSize: PACKAGES_MAX, signal }).pages();
      for await (const { items } of pages) return items;
      return [];
    },
    staleTime: 60_000,
  });
}

/** With the schemas of their parameters. */
export function usePackageJobs(tenantName: string | undefined, packageName: string | undefined) {
  const client = useClient();
  return useQuery({
    queryKey: ["packages", tenantName, packageName, "jobs"],
    enabled: tenantName !== undefined && packageName !== undefined,
    queryFn: ({ signal }) => client.monitoring.getPackageJobs(tenantName ?? "", packageName ?? "", { signal }),
    staleTime: 60_000,
  });
}

/** Names of all job types, for fields that suggest them. */
export function useJobTypes(tenantName: string | undefined): readonly string[] {
  const { data = [] } = usePackages(tenantName);
  return [...new Set(data.flatMap(({ jobTypes = [] }) => jobTypes))].sort();
}
