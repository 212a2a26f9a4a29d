/** Operations on job packages: publish, list, restore an older version, delete. */
import type { LooseFacts } from "../../core/audit.ts";
import { type JobSystemError, NotFoundError, PackageError } from "../../core/errors.ts";
import { PACKAGE_MAX_BYTES } from "../../core/limits.ts";
import {
  listPackagesSchema,
  packageJobsSchema,
  packageJobView,
  packageParams,
  packagesParams,
  packageVersionParams,
  packageVersionsSchema,
  packageVersionView,
  packageView,
  packageViewSchema,
  publishedPackageSchema,
  publishedPackageView,
  type PackageView,
} from "../../core/http/package-api.ts";
import type { PackageCatalog, PackageFacts, StoredPackage } from "../../core/ports/package-store.ts";
import type { SettingReader } from "../../core/ports/setting-store.ts";
import { emptySchema } from "../../core/http/requests.ts";
import { pageSchema, pageView } from "../../core/http/views.ts";
import { declaredSetting, missingSettings } from "../../core/package/manifest-settings.ts";
import { type InspectedPackage, inspectPackage, packageFacts } from "../../package/read/inspect-package.ts";
import { isIntact } from "../publish-release.ts";
import type { PublishedJobsOf } from "../published-jobs.ts";
import type { TimerRegistration } from "../../timers/register/registration.ts";
import type { Caller } from "../auth/caller.ts";
import { assertNotErasing } from "../erase/begin-erasure.ts";
import type { PauseBoard } from "../../lifecycle/pause-board.ts";
import { operation, type Operation } from "../http/operation.ts";
import { jsonBody, streamBody } from "../http/read-request.ts";

export interface PackageOperationDeps {
  readonly packages: PackageCatalog;
  readonly publishedJobs: PublishedJobsOf;
  readonly settings: SettingReader;
  readonly timerRegistration: TimerRegistration;
  readonly pauseBoard: Pick<PauseBoard, "current">;
  /** Why nothing more is stored for the tenant. */
  readonly storageQuota: (tenantName: string) => Promise<JobSystemError | undefined>;
}

export const packageOperations = (deps: PackageOperationDeps): readonly Operation[] => [
  listPackages(deps),
  getPackage(deps),
  putPackage(deps),
  deletePackage(deps),
  listPackageJobs(deps),
  listPackageVersions(deps),
  restorePackageVersion(deps),
];

interface PackageName {
  readonly tenantName: string;
  readonly packageName: string;
}

const listPackages = ({ packages }: PackageOperationDeps) =>
  operation({
    id: "listPackages",
    method: "get",
    path: "/v1/tenants/{tenantName}/packages",
    tag: "Packages",
    summary: "List a tenant's packages",
    needs: "read",
    params: packagesParams,
    query: listPackagesSchema,
    responses: { 200: { description: "A page, by name.", schema: pageSchema("PackagePage", packageViewSchema) } },
    errors: [],
    async handle({ caller, params: { tenantName }, query }) {
      // A tenant of others answers like a tenant without packages.
      if (!caller.mayUse(tenantName)) return { status: 200, body: { items: [] } };
      const page = await packages.list(tenantName, query);
      return { status: 200, body: pageView(page, (stored) => packageView(tenantName, stored)) };
    },
  });

const getPackage = ({ packages }: PackageOperationDeps) =>
  operation({
    id: "getPackage",
    method: "get",
    path: "/v1/tenants/{tenantName}/packages/{packageName}",
    tag: "Packages",
    summary: "Get a package",
    needs: "read",
    params: packageParams,
    responses: { 200: { description: "Its current version.", schema: packageViewSchema } },
    errors: ["PackageNotFound"],
    handle: async ({ caller, params }) => ({ status: 200, body: await findPackage(packages, caller, params) }),
  });

async function findPackage(
  packages: Pick<PackageCatalog, "get">,
  caller: Caller,
  { tenantName, packageName }: PackageName,
): Promise<PackageView> {
  const stored = caller.mayUse(tenantName) ? await packages.get(tenantName, packageName) : undefined;
  if (stored === undefined) throw noSuchPackage(packageName);
  return packageView(tenantName, stored);
}

/** Errors of a package that cannot be published. */
const REFUSALS = [
  "PackageCorrupt",
  "PackageUnsafe",
  "PackageTooLarge",
  "ManifestMissing",
  "ManifestInvalid",
  "EntryPointInvalid",
] as const;

const putPackage = ({ packages, settings, timerRegistration, storageQuota, pauseBoard }: PackageOperationDeps) =>
  operation({
    id: "putPackage",
    method: "put",
    path: "/v1/tenants/{tenantName}/packages/{packageName}",
    tag: "Packages",
    summary: "Publish a package",
    description:
      "The whole package is checked before it is published: every entry of the ZIP, its checksums, its manifest and the " +
      "files that the manifest names. Jobs that start later use it, so replacing a package takes a second. The previous version is kept. Timers that the package " +
      "declares are registered, and timers that it no longer declares are removed.",
    needs: "manage",
    params: packageParams,
    body: streamBody({
      mediaType: "application/zip",
      description: `A ZIP made by \`jobyard pack\`, of at most ${PACKAGE_MAX_BYTES / (1024 * 1024)} MiB.`,
      maxBytes: PACKAGE_MAX_BYTES,
    }),
    responses: {
      200: { description: "Published, or already the current version.", schema: publishedPackageSchema },
    },
    errors: [...REFUSALS, "TenantNotFound", "TenantErasing", "TimerLimitReached", "QuotaExceeded"],
    async handle({ caller, params, body, changed }) {
      const { tenantName, packageName } = params;
      if (!caller.mayUse(tenantName)) throw noSuchTenant(tenantName);
      assertNotErasing(pauseBoard, tenantName);
      const refusal = await storageQuota(tenantName);
      if (refusal !== undefined) throw refusal;
      const bytes = await bytesOf(body);
      const inspected = await inspectPackage(bytes);
      await timerRegistration.check(params, inspected.manifest);
      const before = await packages.get(tenantName, packageName);
      const stored = await upload(packages, params, bytes, packageFacts(inspected, caller.name));
      changed({ before: before && factsOfPackage(before), after: factsOfPackage(stored) });
      // Also for a version that is already current: an earlier registration may not have finished.
      const timers = await timerRegistration.sync(params, inspected);
      const missing = await missingFor(settings, params, inspected);
      return { status: 200, body: publishedPackageView(packageView(tenantName, stored), timers, missing) };
    },
  });

/** Only for the answer: a submit is refused while one is missing. */
async function missingFor(
  settings: SettingReader,
  { tenantName, packageName }: PackageName,
  { manifest }: InspectedPackage,
): Promise<readonly string[]> {
  if (manifest.settings === undefined) return [];
  const given = await settings.of(tenantName, packageName);
  return missingSettings(manifest.settings.map(declaredSetting), new Set(given.map(({ name }) => name)));
}

/** Resolves to what this call published, even if another upload has followed. */
async function upload(
  packages: PackageCatalog,
  { tenantName, packageName }: PackageName,
  bytes: Uint8Array,
  facts: PackageFacts,
): Promise<StoredPackage> {
  const current = await packages.get(tenantName, packageName);
  // The record alone does not prove that the bytes are intact. Publishing a package repairs it.
  if (current?.sha256 === facts.sha256 && (await isIntact(packages, tenantName, packageName))) return current;
  const uploadedAt = await packages.upload(tenantName, packageName, bytes, facts);
  return { packageName, bytes: bytes.byteLength, uploadedAt, ...facts };
}

/** In memory, because the package is checked as a whole. */
async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  if (all.length === 0) throw new PackageError("PackageCorrupt", "The package is empty.");
  return Buffer.concat(all);
}

const deletePackage = ({ packages, timerRegistration }: PackageOperationDeps) =>
  operation({
    id: "deletePackage",
    method: "delete",
    path: "/v1/tenants/{tenantName}/packages/{packageName}",
    tag: "Packages",
    summary: "Delete a package with all its versions",
    description: "Jobs that name it and have not started fail with `PackageNotFound`. Its timers are removed.",
    needs: "manage",
    params: packageParams,
    responses: { 204: { description: "Deleted." } },
    errors: ["PackageNotFound"],
    async handle({ caller, params, changed }) {
      const { tenantName, packageName } = params;
      if (!caller.mayUse(tenantName)) throw noSuchPackage(packageName);
      const before = await packages.get(tenantName, packageName);
      // Timers first: a tick without its package would be a failed run. Also if there is no package: its timers may have
      // outlived it.
      await timerRegistration.removePackage(params);
      const removed = await packages.remove(tenantName, packageName);
      // Another request may have published or registered it meanwhile.
      await timerRegistration.sync(params);
      if (!removed) throw noSuchPackage(packageName);
      changed({ before: before && factsOfPackage(before) });
      return { status: 204 };
    },
  });

const listPackageJobs = ({ packages, publishedJobs }: PackageOperationDeps) =>
  operation({
    id: "listPackageJobs",
    method: "get",
    path: "/v1/tenants/{tenantName}/packages/{packageName}/jobs",
    tag: "Packages",
    summary: "List the jobs of a package",
    description:
      "Those of its current version, with the JSON Schemas of their parameters and output where they have them.",
    needs: "read",
    params: packageParams,
    responses: { 200: { description: "All jobs, by type.", schema: packageJobsSchema } },
    errors: ["PackageNotFound"],
    async handle({ caller, params }) {
      const { sha256, jobTypes = [] } = await findPackage(packages, caller, params);
      const jobs = sha256 === undefined ? new Map<string, never>() : await publishedJobs({ ...params, sha256 });
      // A package that was not published here, or cannot be read, has the types that are recorded.
      const items = jobs.size > 0 ? [...jobs.values()] : jobTypes.map((jobType) => ({ jobType }));
      return { status: 200, body: { items: items.map(packageJobView) } };
    },
  });

const listPackageVersions = ({ packages }: PackageOperationDeps) =>
  operation({
    id: "listPackageVersions",
    method: "get",
    path: "/v1/tenants/{tenantName}/packages/{packageName}/versions",
    tag: "Packages",
    summary: "List the versions of a package",
    needs: "read",
    params: packageParams,
    responses: { 200: { description: "The versions that are kept, newest first.", schema: packageVersionsSchema } },
    errors: ["PackageNotFound"],
    async handle({ caller, params: { tenantName, packageName } }) {
      const versions = caller.mayUse(tenantName) ? await packages.versions(tenantName, packageName) : [];
      if (versions.length === 0) throw noSuchPackage(packageName);
      return { status: 200, body: { items: versions.map(packageVersionView) } };
    },
  });

const restorePackageVersion = ({ packages, settings, timerRegistration }: PackageOperationDeps) =>
  operation({
    id: "restorePackageVersion",
    method: "post",
    path: "/v1/tenants/{tenantName}/packages/{packageName}/versions/{sha256}/restore",
    tag: "Packages",
    summary: "Restore an older version",
    description: "Makes the version the current one. Its timers replace those of the version before.",
    needs: "manage",
    params: packageVersionParams,
    body: jsonBody(emptySchema, { required: false }),
    responses: { 200: { description: "The package with its restored version.", schema: publishedPackageSchema } },
    errors: ["PackageNotFound", "PackageVersionNotFound", "ManifestInvalid", "TimerLimitReached"],
    async handle({ caller, params, changed }) {
      const { tenantName, packageName, sha256 } = params;
      const before = await findPackage(packages, caller, params);
      const bytes = await packages.fetchVersion(tenantName, packageName, sha256);
      if (bytes === undefined) throw noSuchVersion(packageName, sha256);
      const inspected = await inspectPackage(bytes);
      // Pools and the number of timers may have changed since it was published.
      await timerRegistration.check(params, inspected.manifest);
      if (!(await packages.restore(tenantName, packageName, sha256, caller.name))) {
        throw noSuchVersion(packageName, sha256);
      }
      changed({ before: factsOfPackage(before), after: { sha256 } });
      const timers = await timerRegistration.sync(params, inspected);
      const missing = await missingFor(settings, params, inspected);
      return { status: 200, body: publishedPackageView(await findPackage(packages, caller, params), timers, missing) };
    },
  });

const factsOfPackage = ({
  sha256,
  bytes,
}: {
  readonly sha256?: string | undefined;
  readonly bytes: number;
}): LooseFacts => ({ sha256, bytes });

const noSuchPackage = (packageName: string): NotFoundError =>
  new NotFoundError("PackageNotFound", `There is no package ${packageName}.`);

const noSuchVersion = (packageName: string, sha256: string): NotFoundError =>
  new NotFoundError("PackageVersionNotFound", `${packageName} has no version ${sha256}.`);

const noSuchTenant = (tenantName: string): NotFoundError =>
  new NotFoundError("TenantNotFound", `There is no tenant ${tenantName} for this caller.`);
