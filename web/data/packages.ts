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
/** Packages of a tenant: their versions, jobs and settings, and what can be done with them. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { JobView, PackageView } from "../../runtime/client/index.ts";
import { useLongList, type LongList } from "./listing.ts";

/** The latest jobs of the tenant that failure rates are counted from. */
export const RATED_JOBS_MAX = 500;

export interface PackageName {
  readonly tenantName: string;
  readonly packageName: string;
}

export function usePackages(tenantName: string | undefined): LongList<PackageView> {
  return useLongList({
    list: (options) => client.monitoring.getPackages(tenantName ?? "", options),
  });
}

const keyOf = ({ tenantName, packageName }: PackageName, what: string) =>
  ["packages", tenantName, packageName, what] as const;

export function usePackage(name: PackageName) {
    queryKey: keyOf(name, "current"),
    queryFn: ({ signal }) => client.monitoring.getPackage(name.tenantName, name.packageName, { signal }),
  });
}

export function usePackageVersions(name: PackageName) {
    queryKey: keyOf(name, "versions"),
    queryFn: ({ signal }) => client.monitoring.getPackageVersions(name.tenantName, name.packageName, { signal }),
  });
}

export function usePackageJobs(name: PackageName) {
    queryKey: keyOf(name, "jobs"),
    queryFn: ({ signal }) => client.monitoring.getPackageJobs(name.tenantName, name.packageName, { signal }),
  });
}

/** What the package declares and what the tenant has given, by name. The API gives no values of secrets. */
export function useSettings(name: PackageName, enabled: boolean) {
    queryKey: keyOf(name, "settings"),
    enabled,
    queryFn: ({ signal }) => client.monitoring.getSettings(name.tenantName, name.packageName, { signal }),
  });
}

export interface VersionRate {
  readonly ended: number;
  readonly failed: number;
}

/** How many of the tenant's latest jobs failed, by the version of the package that they ran. */
export function useVersionRates({ tenantName, packageName }: PackageName) {
    queryKey: ["overview", tenantName, "latest-jobs"],
      for await (const { items } of client.monitoring
        .findJobs(tenantName, { pageSize: RATED_JOBS_MAX, signal })
        .pages())
        return items;
    },
    select: (jobs) => ratesOf(jobs, packageName),
  });
}

function ratesOf(jobs: readonly JobView[], packageName: string): ReadonlyMap<string, VersionRate> {
  const ended = jobs.filter(
    (job) => job.jobProcessorPackageName === packageName && (job.state === "succeeded" || job.state === "failed"),
  );
  const rates = [...Map.groupBy(ended, ({ packageHash = "" }) => packageHash)].map(([hash, ones]) => {
    const failed = ones.filter(({ state }) => state === "failed").length;
    return [hash, { ended: ones.length, failed }] as const;
  });
  return new Map(rates);
}

export function usePackageActions(tenantName: string) {
  const queries = useQueryClient();
  const onSuccess = (): void => {
    void queries.invalidateQueries({ queryKey: ["packages", tenantName] });
    void queries.invalidateQueries({ queryKey: ["timers", tenantName] });
  };
  return {
    publish: useMutation({
      mutationFn: ({ packageName, zip }: { readonly packageName: string; readonly zip: Uint8Array<ArrayBuffer> }) =>
        client.management.publishPackage(tenantName, packageName, zip),
      onSuccess,
    }),
    restore: useMutation({
      mutationFn: ({ packageName, sha256 }: { readonly packageName: string; readonly sha256: string }) =>
        client.management.restorePackageVersion(tenantName, packageName, sha256),
      onSuccess,
    }),
    remove: useMutation({
      mutationFn: (packageName: string) => client.management.deletePackage(tenantName, packageName),
      // The page of it is left: what it shows is not read again.
      onSuccess: () => queries.invalidateQueries({ queryKey: ["packages", tenantName], exact: true }),
    }),
    set: useMutation({
      mutationFn: (one: SettingInput) =>
        client.management.putSetting(tenantName, one.packageName, one.settingName, {
          value: one.value,
          ...(one.secret && { secret: true }),
        }),
      onSuccess,
    }),
    unset: useMutation({
      mutationFn: ({ packageName, settingName }: Pick<SettingInput, "packageName" | "settingName">) =>
        client.management.deleteSetting(tenantName, packageName, settingName),
      onSuccess,
    }),
  };
}

export interface SettingInput {
  readonly packageName: string;
  readonly settingName: string;
  readonly value: string;
  readonly secret: boolean;
}
