/** Operations that only read: batches with counts, jobs, logs, artifacts, packages, workers, access. */
import type { AuditEntryView } from "../core/http/audit-api.ts";
import type { QuotaView } from "../core/http/quota-api.ts";
import type { ActionView } from "../core/http/action-api.ts";
import type { ErasureView } from "../core/http/erasure-api.ts";
import type { IdentityGrantView } from "../core/http/identity-api.ts";
import type { PackageJobView, PackageVersionView, PackageView } from "../core/http/package-api.ts";
import type { RetentionView } from "../core/http/retention-api.ts";
import type { SettingView } from "../core/http/setting-api.ts";
import type { OverviewView } from "../core/http/overview-api.ts";
import type { JobFilterFields } from "../core/http/requests.ts";
import type { GrantView, MeView, TenantView } from "../core/http/tenant-api.ts";
import type { ArtifactView, BatchView, DeadLetterView, JobView } from "../core/http/views.ts";
import type { WebhookDeliveryView, WebhookView } from "../core/http/webhook-api.ts";
import type { SystemView } from "../core/http/system-api.ts";
import type { WorkerView } from "../core/http/worker-api.ts";
import type { JobState } from "../core/job/states.ts";
import { type ExportLinesOptions, type ExportOptions, exportLines } from "./export.ts";
import { type Listing, listing, type PageOptions } from "./listing.ts";
import { type FollowLogOptions, type ReadLogOptions, followLog, readLog } from "./log.ts";
import { type CallOptions, type Transport, path } from "./transport.ts";

export interface ListJobsOptions extends PageOptions {
  readonly state?: JobState | undefined;
}

export type FindJobsOptions = PageOptions & JobFilterFields;

export interface ListDeadLettersOptions extends PageOptions {
  /** Default: every tenant of the caller. */
  readonly tenantName?: string | undefined;
  readonly pool?: string | undefined;
  /** Messages that no worker can read; for administrators. */
  readonly poison?: boolean | undefined;
}

export interface ListAuditOptions extends PageOptions {
  readonly since?: Date | undefined;
  /** A caller's name, or its object id. */
  readonly actor?: string | undefined;
  /** Id of an operation, such as `putGrant`. */
  readonly operation?: string | undefined;
}

export interface OpenedArtifact {
  readonly contentType: string;
  /** Undefined if the service does not send it. */
  readonly bytes: number | undefined;
  /** Throws if the connection breaks: the data is then incomplete. */
  readonly stream: ReadableStream<Uint8Array>;
}

export interface Monitoring {
  getJob(jobId: string, options?: CallOptions): Promise<JobView>;
  /** By its `clientJobId`. */
  getClientJob(tenantName: string, clientJobId: string, options?: CallOptions): Promise<JobView>;
  /** Includes its exact counts. */
  getBatch(batchId: string, options?: CallOptions): Promise<BatchView>;
  /** Newest first, without counts. */
  getBatches(tenantName: string, options?: PageOptions): Listing<BatchView>;
  getJobsFromBatch(batchId: string, options?: ListJobsOptions): Listing<JobView>;
  /**
   * A tenant's jobs across its batches, newest first. New jobs and changes appear within seconds; every job fits the
   * filter at the moment it is read.
   */
  findJobs(tenantName: string, options?: FindJobsOptions): Listing<JobView>;
  /**
   * All jobs of a tenant, or of its batch `batchId`, that fit the filter: batch by batch, the newest first. In one stream, in
   * constant memory. Throws after the last job if the export is not whole.
   */
  exportJobs(tenantName: string, options?: ExportOptions): AsyncGenerator<JobView>;
  /** The same as lines of text: JSON, or CSV with a header. */
  exportLines(tenantName: string, options?: ExportLinesOptions): AsyncGenerator<string>;
  /** How many of a tenant's jobs wait, run and have failed, and how those of the last hours ended; some seconds late. */
  getOverview(tenantName: string, options?: CallOptions): Promise<OverviewView>;
  /** Newest first. */
  getActions(tenantName: string, options?: PageOptions): Listing<ActionView>;
  getAction(tenantName: string, actionId: string, options?: CallOptions): Promise<ActionView>;
  /** Of the latest attempt. */
  getArtifacts(jobId: string, options?: CallOptions): Promise<readonly ArtifactView[]>;
  openArtifact(jobId: string, artifactPath: string, options?: CallOptions): Promise<OpenedArtifact>;
  /** All of them as one ZIP. */
  openArtifactsZip(jobId: string, options?: CallOptions): Promise<OpenedArtifact>;
  /** The text written so far; empty if there is none. */
  getLog(jobId: string, options?: ReadLogOptions): Promise<string>;
  /** The log as it grows, across retries, until the job has ended. Reconnects after a break. */
  followLog(jobId: string, options?: FollowLogOptions): AsyncGenerator<string>;
  getPackages(tenantName: string, options?: PageOptions): Listing<PackageView>;
  getPackage(tenantName: string, packageName: string, options?: CallOptions): Promise<PackageView>;
  /** Of its current version, with the JSON Schemas of parameters and output. */
  getPackageJobs(tenantName: string, packageName: string, options?: CallOptions): Promise<readonly PackageJobView[]>;
  /** Newest first. */
  getPackageVersions(
    tenantName: string,
    packageName: string,
    options?: CallOptions,
  ): Promise<readonly PackageVersionView[]>;
  /** What the package declares and what the tenant has given, by name. Values of secrets are not in it. */
  getSettings(tenantName: string, packageName: string, options?: CallOptions): Promise<readonly SettingView[]>;
  getDeadLetters(options?: ListDeadLettersOptions): Listing<DeadLetterView>;
  getWorkers(options?: CallOptions & { readonly pool?: string | undefined }): Promise<readonly WorkerView[]>;
  getWorker(pool: string, workerId: string, options?: CallOptions): Promise<WorkerView>;
  /** For administrators: when the sweeper last looked, and the programs of `npm start`. */
  getSystem(options?: CallOptions): Promise<SystemView>;
  /** The end of what a program of `npm start` has printed, at most 64 KiB. */
  getConsole(programName: string, options?: CallOptions): Promise<string>;
  /** The caller and its access. */
  getMe(options?: CallOptions): Promise<MeView>;
  getTenants(options?: PageOptions): Listing<TenantView>;
  getQuotas(tenantName: string, options?: CallOptions): Promise<QuotaView>;
  /** Who changed what of the tenant, newest first. */
  getAudit(tenantName: string, options?: ListAuditOptions): Listing<AuditEntryView>;
  /** For administrators: changes that belong to no tenant, and refused ones. */
  getSystemAudit(options?: ListAuditOptions): Listing<AuditEntryView>;
  /** How long what is left of its jobs is kept, in days. */
  getRetention(tenantName: string, options?: CallOptions): Promise<RetentionView>;
  getGrants(tenantName: string, options?: CallOptions): Promise<readonly GrantView[]>;
  /** How far the erasing of the tenant is, or the report of the last one. For administrators. */
  getErasure(tenantName: string, options?: CallOptions): Promise<ErasureView>;
  /** The identities of pools that the tenant's jobs may use. */
  getIdentityGrants(tenantName: string, options?: CallOptions): Promise<readonly IdentityGrantView[]>;
  getWebhooks(tenantName: string, options?: PageOptions): Listing<WebhookView>;
  getWebhook(tenantName: string, webhookName: string, options?: CallOptions): Promise<WebhookView>;
  /** Waiting messages, then the latest 100 ended ones; each newest first. */
  getWebhookDeliveries(tenantName: string, webhookName: string, options?: PageOptions): Listing<WebhookDeliveryView>;
}

const textOf = (instant: string | Date | undefined): string | undefined =>
  instant instanceof Date ? instant.toISOString() : instant;

export function createMonitoring(transport: Transport): Monitoring {
  const get = <T>(from: string, { signal }: CallOptions = {}): Promise<T> => transport.json<T>({ path: from, signal });
  const items = async <T>(from: string, options?: CallOptions): Promise<readonly T[]> =>
    (await get<{ readonly items: readonly T[] }>(from, options)).items;

  async function openFile(from: string, { signal }: CallOptions = {}): Promise<OpenedArtifact> {
    const { headers, body } = await transport.stream({ path: from, signal });
    const length = headers.get("content-length");
    return {
      contentType: headers.get("content-type") ?? "application/octet-stream",
      bytes: length === null ? undefined : Number(length),
      stream: body ?? new Blob([]).stream(),
    };
  }

  const getJob = (jobId: string, options?: CallOptions): Promise<JobView> => get(path`/v1/jobs/${jobId}`, options);

  const audit = (from: string, { since, actor, operation, ...options }: ListAuditOptions): Listing<AuditEntryView> =>
    listing(transport, from, { since: since?.toISOString(), actor, operation }, options);

  return {
    getJob,
    getClientJob: (tenantName, clientJobId, options) =>
      get(path`/v1/tenants/${tenantName}/jobs/${clientJobId}`, options),
    getBatch: (batchId, options) => get(path`/v1/batches/${batchId}`, options),
    getBatches: (tenantName, options = {}) => listing(transport, "/v1/batches", { tenantName }, options),
    getJobsFromBatch: (batchId, { state, ...options } = {}) =>
      listing(transport, path`/v1/batches/${batchId}/jobs`, { state }, options),
    findJobs: (tenantName, { pageSize, signal, since, until, delayed, ...filter } = {}) =>
      listing(
        transport,
        path`/v1/tenants/${tenantName}/jobs`,
        { ...filter, since: textOf(since), until: textOf(until), ...(delayed && { delayed }) },
        { pageSize, signal },
      ),
    async *exportJobs(tenantName, options = {}) {
      for await (const line of exportLines(transport, tenantName, options)) yield JSON.parse(line) as JobView;
    },
    exportLines: (tenantName, options = {}) => exportLines(transport, tenantName, options),
    getOverview: (tenantName, options) => get(path`/v1/tenants/${tenantName}/overview`, options),
    getActions: (tenantName, options = {}) => listing(transport, path`/v1/tenants/${tenantName}/actions`, {}, options),
    getAction: (tenantName, actionId, options) => get(path`/v1/tenants/${tenantName}/actions/${actionId}`, options),
    getArtifacts: (jobId, options) => items(path`/v1/jobs/${jobId}/artifacts`, options),
    openArtifact(jobId, artifactPath, options) {
      const below = artifactPath.split("/").map(encodeURIComponent).join("/");
      return openFile(`${path`/v1/jobs/${jobId}/artifacts/`}${below}`, options);
    },
    openArtifactsZip: (jobId, options) => openFile(path`/v1/jobs/${jobId}/artifacts.zip`, options),
    getLog: (jobId, options = {}) => readLog(transport, jobId, options),
    followLog: (jobId, options = {}) => followLog(transport, { jobId, getJob }, options),
    getPackages: (tenantName, options = {}) =>
      listing(transport, path`/v1/tenants/${tenantName}/packages`, {}, options),
    getPackage: (tenantName, packageName, options) =>
      get(path`/v1/tenants/${tenantName}/packages/${packageName}`, options),
    getPackageJobs: (tenantName, packageName, options) =>
      items(path`/v1/tenants/${tenantName}/packages/${packageName}/jobs`, options),
    getPackageVersions: (tenantName, packageName, options) =>
      items(path`/v1/tenants/${tenantName}/packages/${packageName}/versions`, options),
    getSettings: (tenantName, packageName, options) =>
      items(path`/v1/tenants/${tenantName}/packages/${packageName}/settings`, options),
    getDeadLetters: ({ tenantName, pool, poison, ...options } = {}) =>
      listing(transport, "/v1/dead-letters", { tenantName, pool, poison }, options),
    async getWorkers({ pool, signal } = {}) {
      return (
        await transport.json<{ readonly items: readonly WorkerView[] }>({
          path: "/v1/workers",
          query: { pool },
          signal,
        })
      ).items;
    },
    getWorker: (pool, workerId, options) => get(path`/v1/workers/${pool}/${workerId}`, options),
    getSystem: (options) => get("/v1/system", options),
    async getConsole(programName, options) {
      const { stream } = await openFile(path`/v1/system/programs/${programName}/console`, options);
      return new Response(stream).text();
    },
    getMe: (options) => get("/v1/me", options),
    getTenants: (options = {}) => listing(transport, "/v1/tenants", {}, options),
    getQuotas: (tenantName, options) => get(path`/v1/tenants/${tenantName}/quotas`, options),
    getAudit: (tenantName, options = {}) => audit(path`/v1/tenants/${tenantName}/audit`, options),
    getSystemAudit: (options = {}) => audit("/v1/audit", options),
    getRetention: (tenantName, options) => get(path`/v1/tenants/${tenantName}/retention`, options),
    getErasure: (tenantName, options) => get(path`/v1/tenants/${tenantName}/erasure`, options),
    getGrants: (tenantName, options) => items(path`/v1/tenants/${tenantName}/grants`, options),
    getIdentityGrants: (tenantName, options) => items(path`/v1/tenants/${tenantName}/identities`, options),
    getWebhooks: (tenantName, options = {}) =>
      listing(transport, path`/v1/tenants/${tenantName}/webhooks`, {}, options),
    getWebhook: (tenantName, webhookName, options) =>
      get(path`/v1/tenants/${tenantName}/webhooks/${webhookName}`, options),
    getWebhookDeliveries: (tenantName, webhookName, options = {}) =>
      listing(transport, path`/v1/tenants/${tenantName}/webhooks/${webhookName}/deliveries`, {}, options),
  };
}
