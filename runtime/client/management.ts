/** Operations that change something: batches, jobs, packages, workers, tenants. Every call can be repeated safely. */
import type { PutQuotasBody, QuotaView } from "../core/http/quota-api.ts";
import type { ActionView, StartActionBody } from "../core/http/action-api.ts";
import type { ErasureView } from "../core/http/erasure-api.ts";
import type { IdentityGrantView, PutIdentityGrantBody } from "../core/http/identity-api.ts";
import type { PublishedPackageView } from "../core/http/package-api.ts";
import type { CreateBatchBody, RequeueBatchBody, RescheduleJobBody, SubmitJobBody } from "../core/http/requests.ts";
import type { PutRetentionBody, RetentionView } from "../core/http/retention-api.ts";
import type { PutSettingBody, SettingView } from "../core/http/setting-api.ts";
import type { GrantView, PutGrantBody, TenantView } from "../core/http/tenant-api.ts";
import type { BatchView, JobView, RequeueResult } from "../core/http/views.ts";
import type {
  PutWebhookBody,
  WebhookDeliveryView,
  WebhookTestView,
  WebhookView,
  WebhookWithSecret,
} from "../core/http/webhook-api.ts";
import type { ProgramView } from "../core/http/system-api.ts";
import type { WorkerView } from "../core/http/worker-api.ts";
import type { Monitoring } from "./monitoring.ts";
import { newKey } from "./with-retries.ts";
import { type SubmissionSource, type SubmitJobsOptions, type SubmittedJob, submitLines } from "./submit-lines.ts";
import { type CallOptions, type Transport, path, unlessDone } from "./transport.ts";

export interface SubmitOptions extends CallOptions {
  /**
   * Makes the call repeatable, also by another process: the same key and request return the first one's id for seven
   * days. Default: a new key for this call and its tries.
   */
  readonly idempotencyKey?: string | undefined;
}

export interface PublishOptions extends CallOptions {
  /** Starts at 0 for each try. */
  readonly onProgress?: OnUploadProgress | undefined;
}

export interface Management {
  /** Resolves to the batch's id. */
  createBatch(batch: CreateBatchBody, options?: SubmitOptions): Promise<string>;
  /** Resolves to the job's id. Without a batch the job joins its tenant's batch of the day. */
  submitJob(job: SubmitJobBody, batchId?: string, options?: SubmitOptions): Promise<string>;
  /**
   * Submits all jobs of the source, lazily and in order, and yields the result of each. Sends nothing before the first
   * result is requested.
   */
  submitJobs(source: SubmissionSource, batchId?: string, options?: SubmitJobsOptions): AsyncGenerator<SubmittedJob>;
  /** The batch accepts no more jobs and is complete when the last one has ended. */
  closeBatch(batchId: string, options?: CallOptions): Promise<BatchView>;
  /** Ends all its jobs. Its counts show whether some have not ended yet. */
  cancelBatch(batchId: string, options?: CallOptions): Promise<BatchView>;
  /** Runs all its failed (or canceled) jobs again. Resolves to their number. */
  requeueBatch(batchId: string, which?: RequeueBatchBody, options?: CallOptions): Promise<number>;
  /** Requests a cancel. Resolves to the job, which may still be running. */
  cancelJob(jobId: string, options?: CallOptions): Promise<JobView>;
  /** A new job with the same request and other parameters. Resolves to its id. */
  resubmitJob(jobId: string, changes?: { readonly parameters?: unknown }, options?: SubmitOptions): Promise<string>;
  requeueJob(jobId: string, options?: CallOptions): Promise<JobView>;
  /** When a queued job may start: `{ runAt }` or `{ delayMs }`; `{ delayMs: 0 }` is now. */
  rescheduleJob(jobId: string, start: RescheduleJobBody, options?: CallOptions): Promise<JobView>;
  /** At most 1,000. Each is checked separately. */
  requeueJobs(jobIds: readonly string[], options?: CallOptions): Promise<readonly RequeueResult[]>;
  /**
   * Cancels, requeues, reschedules or tags all jobs that fit a filter, in the background. `dryRun` counts them. Follow it with
   * `monitoring.getAction`.
   */
  startAction(tenantName: string, action: StartActionBody, options?: CallOptions): Promise<ActionView>;
  /** It ends before its next step. */
  cancelAction(tenantName: string, actionId: string, options?: CallOptions): Promise<ActionView>;
  /** Uploads a ZIP from `jobyard pack`. */
  publishPackage(
    tenantName: string,
    packageName: string,
    zip: Uint8Array<ArrayBuffer>,
    options?: PublishOptions,
  ): Promise<PublishedPackageView>;
  restorePackageVersion(
    tenantName: string,
    packageName: string,
    sha256: string,
    options?: CallOptions,
  ): Promise<PublishedPackageView>;
  deletePackage(tenantName: string, packageName: string, options?: CallOptions): Promise<void>;
  /** A value that the package declares as a secret is kept as one. A secret can be replaced and used, and never read. */
  putSetting(
    tenantName: string,
    packageName: string,
    settingName: string,
    setting: PutSettingBody,
    options?: CallOptions,
  ): Promise<SettingView>;
  deleteSetting(tenantName: string, packageName: string, settingName: string, options?: CallOptions): Promise<void>;
  removeDeadLetter(queue: string, sequenceNumber: string, options?: CallOptions): Promise<void>;
  /** Drains a worker: it ends its jobs and stops. */
  drainWorker(pool: string, workerId: string, options?: CallOptions): Promise<WorkerView>;
  /** Stops a program of `npm start` and starts it again. Resolves to the program as it was before. */
  restartProgram(programName: string, options?: CallOptions): Promise<ProgramView>;
  /** Has no effect if it exists. */
  createTenant(tenantName: string, options?: CallOptions): Promise<TenantView>;
  deleteTenant(tenantName: string, options?: CallOptions): Promise<void>;
  /**
   * Cancels the tenant's jobs and removes everything that is stored of it, for good. It goes on in the background:
   * `monitoring.getErasure` says when it is done. `confirm`: the tenant's name once more.
   */
  eraseTenant(tenantName: string, confirm: string, options?: CallOptions): Promise<ErasureView>;
  /** 1 to 100: its share of the slots in proportion to other tenants. */
  putWeight(tenantName: string, weight: number, options?: CallOptions): Promise<TenantView>;
  /** What is older than these days is removed for good. */
  putRetention(tenantName: string, retention: PutRetentionBody, options?: CallOptions): Promise<RetentionView>;
  /** The system's defaults again. */
  deleteRetention(tenantName: string, options?: CallOptions): Promise<void>;
  /** For administrators: replaces the quotas of a tenant. One that is not given does not exist. */
  putQuotas(tenantName: string, quotas: PutQuotasBody, options?: CallOptions): Promise<QuotaView>;
  putGrant(tenantName: string, principalId: string, grant: PutGrantBody, options?: CallOptions): Promise<GrantView>;
  deleteGrant(tenantName: string, principalId: string, options?: CallOptions): Promise<void>;
  /** For administrators: lets a tenant's jobs use the identity of a pool. */
  putIdentityGrant(
    tenantName: string,
    pool: string,
    grant: PutIdentityGrantBody,
    options?: CallOptions,
  ): Promise<IdentityGrantView>;
  /** Sends a message to a webhook again, under the same `webhook-id`. */
  resendWebhookDelivery(
    tenantName: string,
    webhookName: string,
    messageId: string,
    options?: CallOptions,
  ): Promise<WebhookDeliveryView>;
  deleteIdentityGrant(tenantName: string, pool: string, options?: CallOptions): Promise<void>;
  /**
   * Registers a webhook, or changes it. `secret` is present only when it was registered. If that response is lost,
   * rotate the secret.
   */
  putWebhook(
    tenantName: string,
    webhookName: string,
    webhook: PutWebhookBody,
    options?: CallOptions,
  ): Promise<WebhookView & Partial<Pick<WebhookWithSecret, "secret">>>;
  deleteWebhook(tenantName: string, webhookName: string, options?: CallOptions): Promise<void>;
  /** The old secret stays valid for 24 hours. */
  rotateWebhookSecret(tenantName: string, webhookName: string, options?: CallOptions): Promise<WebhookWithSecret>;
  /** Sends a ping. Resolves to the receiver's response, good or bad. */
  testWebhook(tenantName: string, webhookName: string, options?: CallOptions): Promise<WebhookTestView>;
}

export function createManagement(transport: Transport, monitoring: Pick<Monitoring, "getJob">): Management {
  const post = <T>(to: string, options: CallOptions = {}, body: unknown = {}): Promise<T> =>
    transport.json<T>({ method: "POST", path: to, json: body, signal: options.signal });

  const keyed = <T>(to: string, body: unknown, { idempotencyKey = newKey(), signal }: SubmitOptions): Promise<T> =>
    transport.json<T>({ method: "POST", path: to, json: body, headers: { "idempotency-key": idempotencyKey }, signal });

  /** If it no longer exists, an earlier try has deleted it and its response was lost. */
  const remove = (what: string, { signal }: CallOptions, gone: string): Promise<void> =>
    unlessDone(transport.json<undefined>({ method: "DELETE", path: what, signal }), gone, () =>
      Promise.resolve(undefined),
    );

  return {
    async createBatch(batch, options = {}) {
      return (await keyed<BatchView>("/v1/batches", batch, options)).batchId;
    },
    async submitJob(job, batchId, options = {}) {
      const body = batchId === undefined ? job : { ...job, batchId };
      return (await keyed<{ readonly jobId: string }>("/v1/jobs", body, options)).jobId;
    },
    submitJobs: (source, batchId, options = {}) => submitLines(transport, source, batchId, options),
    startAction: (tenantName, action, options) => post(path`/v1/tenants/${tenantName}/actions`, options, action),
    cancelAction: (tenantName, actionId, options) =>
      post(path`/v1/tenants/${tenantName}/actions/${actionId}/cancel`, options),
    async resubmitJob(jobId, changes = {}, options = {}) {
      return (await keyed<{ readonly jobId: string }>(path`/v1/jobs/${jobId}/resubmit`, changes, options)).jobId;
    },
    closeBatch: (batchId, options) => post(path`/v1/batches/${batchId}/close`, options),
    cancelBatch: (batchId, options) => post(path`/v1/batches/${batchId}/cancel`, options),
    async requeueBatch(batchId, which = {}, { signal } = {}) {
      let total = 0;
      for (;;) {
        const { status, body } = await transport.answer<{ readonly requeued: number }>({
          method: "POST",
          path: path`/v1/batches/${batchId}/requeue`,
          json: which,
          signal,
        });
        total += body.requeued;
        // Status 202: there were too many for one call.
        if (status !== 202) return total;
      }
    },
    cancelJob: (jobId, options) =>
      unlessDone(post<JobView>(path`/v1/jobs/${jobId}/cancel`, options), "JobEnded", () =>
        monitoring.getJob(jobId, options),
      ),
    requeueJob: (jobId, options) =>
      unlessDone(post<JobView>(path`/v1/jobs/${jobId}/requeue`, options), "JobNotEnded", () =>
        monitoring.getJob(jobId, options),
      ),
    // Perhaps it started after a try whose response was lost.
    rescheduleJob: (jobId, start, options) =>
      unlessDone(post<JobView>(path`/v1/jobs/${jobId}/reschedule`, options, start), "JobNotQueued", () =>
        monitoring.getJob(jobId, options),
      ),
    async requeueJobs(jobIds, options) {
      const { results } = await post<{ readonly results: readonly RequeueResult[] }>("/v1/jobs/requeue", options, {
        jobIds,
      });
      return results;
    },
    publishPackage: (tenantName, packageName, zip, { onProgress, signal } = {}) =>
      transport.json({
        method: "PUT",
        path: path`/v1/tenants/${tenantName}/packages/${packageName}`,
        headers: { "content-type": "application/zip" },
        body: uploadBody(zip, onProgress),
        signal,
      }),
    restorePackageVersion: (tenantName, packageName, sha256, options) =>
      post(path`/v1/tenants/${tenantName}/packages/${packageName}/versions/${sha256}/restore`, options),
    deletePackage: (tenantName, packageName, options = {}) =>
      remove(path`/v1/tenants/${tenantName}/packages/${packageName}`, options, "PackageNotFound"),
    putSetting: (tenantName, packageName, settingName, setting, { signal } = {}) =>
      transport.json({
        method: "PUT",
        path: path`/v1/tenants/${tenantName}/packages/${packageName}/settings/${settingName}`,
        json: setting,
        signal,
      }),
    deleteSetting: (tenantName, packageName, settingName, options = {}) =>
      remove(
        path`/v1/tenants/${tenantName}/packages/${packageName}/settings/${settingName}`,
        options,
        "SettingNotFound",
      ),
    removeDeadLetter: (queue, sequenceNumber, options = {}) =>
      remove(path`/v1/dead-letters/${queue}/${sequenceNumber}`, options, "DeadLetterNotFound"),
    drainWorker: (pool, workerId, options) => post(path`/v1/workers/${pool}/${workerId}/drain`, options),
    restartProgram: (programName, options) => post(path`/v1/system/programs/${programName}/restart`, options),
    createTenant: (tenantName, { signal } = {}) =>
      transport.json({ method: "PUT", path: path`/v1/tenants/${tenantName}`, signal }),
    putWeight: (tenantName, weight, { signal } = {}) =>
      transport.json({ method: "PUT", path: path`/v1/tenants/${tenantName}/weight`, json: { weight }, signal }),
    deleteTenant: (tenantName, options = {}) => remove(path`/v1/tenants/${tenantName}`, options, "TenantNotFound"),
    eraseTenant: (tenantName, confirm, options) => post(path`/v1/tenants/${tenantName}/erasure`, options, { confirm }),
    putRetention: (tenantName, retention, { signal } = {}) =>
      transport.json({ method: "PUT", path: path`/v1/tenants/${tenantName}/retention`, json: retention, signal }),
    deleteRetention: (tenantName, options = {}) =>
      remove(path`/v1/tenants/${tenantName}/retention`, options, "TenantNotFound"),
    putQuotas: (tenantName, quotas, { signal } = {}) =>
      transport.json({ method: "PUT", path: path`/v1/tenants/${tenantName}/quotas`, json: quotas, signal }),
    putGrant: (tenantName, principalId, grant, { signal } = {}) =>
      transport.json({
        method: "PUT",
        path: path`/v1/tenants/${tenantName}/grants/${principalId}`,
        json: grant,
        signal,
      }),
    deleteGrant: (tenantName, principalId, options = {}) =>
      remove(path`/v1/tenants/${tenantName}/grants/${principalId}`, options, "GrantNotFound"),
    putIdentityGrant: (tenantName, pool, grant, { signal } = {}) =>
      transport.json({ method: "PUT", path: path`/v1/tenants/${tenantName}/identities/${pool}`, json: grant, signal }),
    deleteIdentityGrant: (tenantName, pool, options = {}) =>
      remove(path`/v1/tenants/${tenantName}/identities/${pool}`, options, "GrantNotFound"),
    putWebhook: (tenantName, webhookName, webhook, { signal } = {}) =>
      transport.json({ method: "PUT", path: webhookPath(tenantName, webhookName), json: webhook, signal }),
    deleteWebhook: (tenantName, webhookName, options = {}) =>
      remove(webhookPath(tenantName, webhookName), options, "WebhookNotFound"),
    rotateWebhookSecret: (tenantName, webhookName, options) =>
      post(`${webhookPath(tenantName, webhookName)}/rotate-secret`, options),
    resendWebhookDelivery: (tenantName, webhookName, messageId, options) =>
      post(`${webhookPath(tenantName, webhookName)}${path`/deliveries/${messageId}/resend`}`, options),
    testWebhook: (tenantName, webhookName, options) => post(`${webhookPath(tenantName, webhookName)}/test`, options),
  };
}

const webhookPath = (tenantName: string, webhookName: string): string =>
  path`/v1/tenants/${tenantName}/webhooks/${webhookName}`;

export interface UploadProgress {
  readonly sentBytes: number;
  readonly totalBytes: number;
}

export type OnUploadProgress = (progress: UploadProgress) => void;

/** Small enough for smooth progress, large enough for low cost. */
const PIECE_BYTES = 64 * 1024;

/**
 * The body of an upload, in pieces that the network requests as it needs them. Browsers stream request bodies only over
 * HTTP/2, so there the body is sent as a whole, and only its start and end are reported.
 */
function uploadBody(bytes: Uint8Array<ArrayBuffer>, onProgress: OnUploadProgress | undefined): () => RequestInit {
  const totalBytes = bytes.byteLength;
  if (onProgress === undefined || "XMLHttpRequest" in globalThis) return () => ({ body: bytes });
  return () => {
    let sentBytes = 0;
    onProgress({ sentBytes, totalBytes });
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          // The next piece is requested, so the ones before were sent.
          if (sentBytes > 0) onProgress({ sentBytes, totalBytes });
          if (sentBytes >= totalBytes) {
            controller.close();
            return;
          }
          const piece = bytes.subarray(sentBytes, sentBytes + PIECE_BYTES);
          sentBytes += piece.byteLength;
          controller.enqueue(piece);
        },
      },
      { highWaterMark: 0 },
    );
    return { body, duplex: "half" };
  };
}
