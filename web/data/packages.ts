/** Packages of a tenant: their versions, jobs and settings, and what can be done with them. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { JobView, PackageView } from "../../runtime/client/index.ts";
import { useLongList, type LongList } from "./listing.ts";
import { useClient } from "./session.ts";

/** The latest jobs of the tenant that failure rates are counted from. */
export const RATED_JOBS_MAX = 500;

export interface PackageName {
  readonly tenantName: string;
  readonly packageName: string;
}

export function usePackages(tenantName: string | undefined): LongList<PackageView> {
  const client = useClient();
  return useLongList({
    queryKey: ["packages", tenantName],
    enabled: tenantName !== undefined,
    list: (options) => client.monitoring.getPackages(tenantName ?? "", options),
  });
}

const keyOf = ({ tenantName, packageName }: PackageName, what: string) =>
  ["packages", tenantName, packageName, what] as const;

export function usePackage(name: PackageName) {
  const client = useClient();
  return useQuery({
    queryKey: keyOf(name, "current"),
    queryFn: ({ signal }) => client.monitoring.getPackage(name.tenantName, name.packageName, { signal }),
  });
}

export function usePackageVersions(name: PackageName) {
  const client = useClient();
  return useQuery({
    queryKey: keyOf(name, "versions"),
    queryFn: ({ signal }) => client.monitoring.getPackageVersions(name.tenantName, name.packageName, { signal }),
  });
}

/** With the schemas of their parameters. */
export function usePackageJobs(name: PackageName, enabled = true) {
  const client = useClient();
  return useQuery({
    queryKey: keyOf(name, "jobs"),
    enabled,
    queryFn: ({ signal }) => client.monitoring.getPackageJobs(name.tenantName, name.packageName, { signal }),
  });
}

/** What the package declares and what the tenant has given, by name. The API gives no values of secrets. */
export function useSettings(name: PackageName, enabled: boolean) {
  const client = useClient();
  return useQuery({
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
  const client = useClient();
  return useQuery({
    queryKey: ["overview", tenantName, "latest-jobs"],
    queryFn: async ({ signal }) => {
      for await (const { items } of client.monitoring
        .findJobs(tenantName, { pageSize: RATED_JOBS_MAX, signal })
        .pages())
        return items;
      return [];
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
  const client = useClient();
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
