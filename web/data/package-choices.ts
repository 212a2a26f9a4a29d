/** The packages of a tenant and their job types, to choose from. */
import { useQuery } from "@tanstack/react-query";
import { useClient } from "./session.ts";

/** More are not listed to choose from. */
const PACKAGES_MAX = 1_000;

export function usePackageChoices(tenantName: string | undefined) {
  const client = useClient();
  return useQuery({
    queryKey: ["packages", tenantName, "choices"],
    enabled: tenantName !== undefined,
    queryFn: async ({ signal }) => {
      const pages = client.monitoring.getPackages(tenantName ?? "", { pageSize: PACKAGES_MAX, signal }).pages();
      for await (const { items } of pages) return items;
      return [];
    },
    staleTime: 60_000,
  });
}

/** Names of all job types, for fields that suggest them. */
export function useJobTypes(tenantName: string | undefined): readonly string[] {
  const { data = [] } = usePackageChoices(tenantName);
  return [...new Set(data.flatMap(({ jobTypes = [] }) => jobTypes))].sort();
}
