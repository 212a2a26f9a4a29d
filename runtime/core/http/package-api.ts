/** Job packages in requests and answers of the web API. */
import * as z from "zod";
import type { ManifestJob } from "../package/manifest.ts";
import { missingText } from "../package/manifest-settings.ts";
import type { PackageVersion, StoredPackage } from "../ports/package-store.ts";
import { packageName, pageFields, tenantName } from "./requests.ts";
import { timerWarnings } from "../schedule/schedule-warnings.ts";
import type { Timer } from "../timer/timer.ts";
import type { Frozen } from "./views.ts";

const SHA256 = /^[0-9a-f]{64}$/;

export const packagesParams = z.object({ tenantName: tenantName.meta({ description: "Whose packages." }) });
export const packageParams = packagesParams.extend({ packageName });
export const packageVersionParams = packageParams.extend({
  sha256: z.string().regex(SHA256, "must be 64 hexadecimal digits").meta({ description: "Names the version." }),
});
export const listPackagesSchema = z.strictObject(pageFields);

const facts = {
  bytes: z.int().min(0),
  sha256: z.string().optional().meta({ description: "Names the version. Absent when it was not published here." }),
  uploadedAt: z.iso.datetime(),
  uploadedBy: z.string().optional().meta({ description: "Absent when it was not published here." }),
  jobTypes: z
    .array(z.string())
    .optional()
    .meta({ description: "What it can run. Absent when it was not published here." }),
};

export const packageViewSchema = z
  .object({ tenantName: z.string(), packageName: z.string(), ...facts })
  .meta({ id: "Package", description: "A ZIP of jobs; what `jobProcessorPackageName` of a job names." });

export const publishedPackageSchema = packageViewSchema
  .extend({
    timers: z.array(z.string()).meta({ description: "Names of the timers it has, registered now." }),
    warnings: z.array(z.string()).optional().meta({
      description: "What may not be meant, such as a schedule, and settings that are missing. Absent: nothing.",
    }),
  })
  .meta({ id: "PublishedPackage", description: "A package as it was just published or restored." });

export type PublishedPackageView = Frozen<z.infer<typeof publishedPackageSchema>>;

export type PackageView = Frozen<z.infer<typeof packageViewSchema>>;

const jsonSchema = z.record(z.string(), z.unknown());

const packageJobSchema = z
  .object({
    jobType: z.string(),
    parameters: jsonSchema.optional().meta({ description: "JSON Schema (2020-12) of what is submitted." }),
    output: jsonSchema.optional().meta({ description: "JSON Schema (2020-12) of what is kept." }),
  })
  .meta({ id: "PackageJob" });

export const packageJobsSchema = z
  .object({ items: z.array(packageJobSchema) })
  .meta({ id: "PackageJobs", description: "The jobs of a version." });

export type PackageJobView = Frozen<z.infer<typeof packageJobSchema>>;

export const packageJobView = ({
  jobType,
  parameters,
  output,
}: Pick<ManifestJob, "jobType" | "parameters" | "output">): PackageJobView => ({
  jobType,
  ...(parameters && { parameters }),
  ...(output && { output }),
});

const packageVersionSchema = z
  .object({ ...facts, isCurrent: z.boolean().meta({ description: "The next run of a job uses it." }) })
  .meta({ id: "PackageVersion" });

export const packageVersionsSchema = z
  .object({ items: z.array(packageVersionSchema) })
  .meta({ id: "PackageVersions", description: "Newest first." });

export type PackageVersionView = Frozen<z.infer<typeof packageVersionSchema>>;

const factsView = ({ bytes, sha256, uploadedAt, uploadedBy, jobTypes }: Omit<StoredPackage, "packageName">) => ({
  bytes,
  ...(sha256 !== undefined && { sha256 }),
  uploadedAt: uploadedAt.toISOString(),
  ...(uploadedBy !== undefined && { uploadedBy }),
  ...(jobTypes && { jobTypes }),
});

export const packageView = (ofTenant: string, stored: StoredPackage): PackageView => ({
  tenantName: ofTenant,
  packageName: stored.packageName,
  ...factsView(stored),
});

/** `timers`: those that were registered with it. `missing`: settings that its jobs need and the tenant has not given. */
export function publishedPackageView(
  view: PackageView,
  timers: readonly Timer[],
  missing: readonly string[],
): PublishedPackageView {
  const { tenantName: tenant, packageName: name } = view;
  const warnings = [...timerWarnings(timers), ...(missing.length > 0 ? [missingText(tenant, name, missing)] : [])];
  return { ...view, timers: timers.map(({ timerName }) => timerName), ...(warnings.length > 0 && { warnings }) };
}

export const packageVersionView = (version: PackageVersion): PackageVersionView => ({
  ...factsView(version),
  isCurrent: version.isCurrent,
});
