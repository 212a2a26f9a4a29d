/**
 * Checks that the package of a job exists, has its job type and takes its parameters, and that the tenant has given the
 * settings that it needs, so that a mistake is refused at submit and does not become a failed job. Answers of the catalog are
 * kept for a short time. A kept answer can accept a job but never refuses one, because the package may have been published
 * since.
 */
import type { JobLimits } from "../../core/admission/limit.ts";
import { closestName } from "../../core/text.ts";
import {
  ConflictError,
  type ErrorDetail,
  InvalidRequestError,
  type JobSystemError,
  NotFoundError,
  PackageError,
  UnavailableError,
} from "../../core/errors.ts";
import {
  KNOWN_PACKAGE_FOR_MS,
  KNOWN_PACKAGES_MAX_COUNT,
  PAGE_SIZE_MAX,
  RELEASE_RETRY_AFTER_S,
} from "../../core/limits.ts";
import { judgeBySchema } from "../../core/package/json-schema.ts";
import { type DeclaredSetting, missingSettings, missingText } from "../../core/package/manifest-settings.ts";
import type { PackageCatalog, StoredPackage } from "../../core/ports/package-store.ts";
import type { SettingReader } from "../../core/ports/setting-store.ts";
import type { JobRequestBody } from "../../core/http/requests.ts";
import type { Clock } from "../../core/clock.ts";
import type { PublishedJobsOf } from "../published-jobs.ts";

export interface KnownJobsDeps {
  readonly packages: Pick<PackageCatalog, "get" | "list">;
  readonly publishedJobs: PublishedJobsOf;
  readonly settings: SettingReader;
  /** Whether the package comes with this release and is not published yet. */
  readonly isReleasePending: (tenantName: string, packageName: string) => boolean;
  readonly monotonicNow: Clock["monotonicNow"];
}

export interface GivenParameters {
  /** Their length as JSON. */
  readonly bytes: number;
  /** Their name in messages: `parameters`, `jobs[3].parameters`. */
  readonly at: string;
}

/** Why a job would fail before it starts. Undefined: no reason is known. Throws UnavailableError. */
export type RefusalOf = (job: JobRequestBody, parameters: GivenParameters) => Promise<JobSystemError | undefined>;

export interface KnownJobs {
  /** For one request. Each package is read at most once for all its refusals, and after this call. */
  judge(): RefusalOf;
  /** What the package declares of the job's type, once it was judged. Throws UnavailableError. */
  limitsOf(job: JobRequestBody): Promise<JobLimits | undefined>;
}

interface Reading {
  /** Counts readings and requests in the order they began. */
  readonly turn: number;
  readonly at: number;
  readonly found: Promise<Found>;
}

/** Undefined: no such package. Its job types are undefined if they were not recorded. */
type Found =
  | (Pick<StoredPackage, "jobTypes" | "sha256" | "schemaCount" | "limitedCount"> & {
      /** Settings that its jobs need and the tenant has not given. */
      readonly missing: readonly string[];
    })
  | undefined;

export function createKnownJobs({
  packages,
  publishedJobs,
  settings,
  isReleasePending,
  monotonicNow,
}: KnownJobsDeps): KnownJobs {
  /** By tenant and package, the latest last. */
  const readings = new Map<string, Reading>();
  let turn = 0;

  async function find(tenantName: string, packageName: string): Promise<Found> {
    const stored = await packages.get(tenantName, packageName);
    return stored && { ...stored, missing: await missingOf(tenantName, stored) };
  }

  /** Most packages need no setting, and cost no read. */
  async function missingOf(
    tenantName: string,
    {
      packageName,
      settings: declared = [],
    }: { readonly packageName: string; readonly settings?: readonly DeclaredSetting[] },
  ): Promise<readonly string[]> {
    if (!declared.some(({ required }) => required)) return [];
    const given = await settings.of(tenantName, packageName);
    return missingSettings(declared, new Set(given.map(({ name }) => name)));
  }

  function read(name: string, { tenantName, jobProcessorPackageName }: JobRequestBody): Reading {
    const found = find(tenantName, jobProcessorPackageName);
    const reading = { turn: ++turn, at: monotonicNow(), found };
    readings.delete(name);
    readings.set(name, reading);
    // Waiting requests get the error. The next request reads again.
    found.catch(() => readings.get(name) === reading && readings.delete(name));
    const [oldest] = readings.keys();
    if (oldest !== undefined && readings.size > KNOWN_PACKAGES_MAX_COUNT) readings.delete(oldest);
    return reading;
  }

  async function namesOf(tenantName: string): Promise<readonly string[]> {
    const { items } = await packages.list(tenantName, { pageSize: PAGE_SIZE_MAX, continuationToken: undefined });
    return items.map(({ packageName }) => packageName);
  }

  return {
    async limitsOf(job) {
      if (job.publishLater === true) return undefined;
      const { tenantName, jobProcessorPackageName: packageName, jobType } = job;
      const name = `${tenantName}/${packageName}`;
      const found = await (readings.get(name) ?? read(name, job)).found;
      // Most packages limit nothing, and cost no read.
      if (found?.sha256 === undefined || !found.limitedCount) return undefined;
      return (await publishedJobs({ tenantName, packageName, sha256: found.sha256 })).get(jobType)?.limits;
    },
    judge() {
      const begun = ++turn;
      const names = new Map<string, Promise<readonly string[]>>();

      async function refusal(found: Found, job: JobRequestBody): Promise<JobSystemError> {
        const { tenantName, jobProcessorPackageName: packageName } = job;
        if (isReleasePending(tenantName, packageName)) return pending(packageName);
        if (found !== undefined) {
          return hasType(found, job) ? settingsMissing(job, found.missing) : unknownType(job, found.jobTypes ?? []);
        }
        const reading = names.get(tenantName) ?? namesOf(tenantName);
        names.set(tenantName, reading);
        return noPackage(packageName, await reading);
      }

      /** Wrong fields; "unknown": there is no such job. Empty: none are known. */
      async function problemsOf(
        found: Found,
        job: JobRequestBody,
        parameters: GivenParameters,
      ): Promise<readonly ErrorDetail[] | "unknown"> {
        if (found === undefined || !accepts(found, job)) return "unknown";
        const { sha256, schemaCount = 0 } = found;
        if (sha256 === undefined || schemaCount === 0) return [];
        const { tenantName, jobProcessorPackageName: packageName } = job;
        const schema = (await publishedJobs({ tenantName, packageName, sha256 })).get(job.jobType)?.parameters;
        return schema === undefined ? [] : judgeBySchema(schema, { ...parameters, value: job.parameters ?? null });
      }

      return async (job, parameters) => {
        if (job.publishLater === true) return undefined;
        const name = `${job.tenantName}/${job.jobProcessorPackageName}`;
        const kept = readings.get(name);
        const isKept = kept !== undefined && monotonicNow() - kept.at < KNOWN_PACKAGE_FOR_MS;
        if (isKept && (await problemsOf(await kept.found, job, parameters)).length === 0) return undefined;
        const latest = readings.get(name);
        const found = await (latest !== undefined && latest.turn > begun ? latest : read(name, job)).found;
        const problems = await problemsOf(found, job, parameters);
        if (problems === "unknown") return refusal(found, job);
        return problems.length === 0 ? undefined : wrongParameters(problems);
      };
    },
  };
}

const accepts = (found: Found, job: JobRequestBody): boolean =>
  found !== undefined && hasType(found, job) && found.missing.length === 0;

const hasType = ({ jobTypes }: NonNullable<Found>, { jobType }: JobRequestBody): boolean =>
  jobTypes === undefined || jobTypes.includes(jobType);

const settingsMissing = ({ tenantName, jobProcessorPackageName }: JobRequestBody, missing: readonly string[]) =>
  new ConflictError("SettingMissing", missingText(tenantName, jobProcessorPackageName, missing));

const wrongParameters = (details: readonly ErrorDetail[]): InvalidRequestError =>
  new InvalidRequestError(
    "ParametersInvalid",
    details.map(({ target, message }) => `${target} ${message}`).join("; "),
    {
      details,
    },
  );

const noPackage = (packageName: string, others: readonly string[]): NotFoundError =>
  new NotFoundError(
    "PackageNotFound",
    `There is no package ${packageName}.${suggestion(packageName, others)} ${LATER}`,
  );

function unknownType({ jobType, jobProcessorPackageName }: JobRequestBody, jobTypes: readonly string[]): PackageError {
  const has = suggestion(jobType, jobTypes) || ` It has ${listOf(jobTypes)}.`;
  const message = `Package ${jobProcessorPackageName} has no job of type ${JSON.stringify(jobType)}.${has} ${LATER}`;
  return new PackageError("JobTypeUnknown", message);
}

const LATER = "Publish it first, or set publishLater.";

function suggestion(word: string, known: readonly string[]): string {
  const meant = closestName(word, known);
  return meant === undefined ? "" : ` Did you mean "${meant}"?`;
}

const LISTED_MAX_COUNT = 10;

function listOf(jobTypes: readonly string[]): string {
  const more = jobTypes.length - LISTED_MAX_COUNT;
  return jobTypes.slice(0, LISTED_MAX_COUNT).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

const pending = (packageName: string): UnavailableError =>
  new UnavailableError(
    "StorageUnavailable",
    `Package ${packageName} comes with this release and is not published yet. Retry later.`,
    { retryAfterS: RELEASE_RETRY_AFTER_S },
  );
