/**
 * For every operation the ways to name a tenant or something of one, and how such a request is refused to whom that is
 * none of their business.
 */
import type { Access } from "../../../runtime/core/http/access.ts";
import { jobRequest, zip, type Place } from "./tenant-place.ts";
import type { WireRequest } from "./wire.ts";

export interface Attempt {
  readonly needs: Access;
  /**
   * `thing`: something that may or may not be there. `tenant`: the tenant itself, which need not be known beforehand.
   * `system`: what belongs to no tenant.
   */
  readonly names: "thing" | "tenant" | "system";
  /** 404; or 200 with no items; or 200 with an error for each item. */
  readonly refusal: "not-found" | "no-items" | "item-errors";
  /** Served once only. */
  readonly consumes?: true;
  request(place: Place): Promise<WireRequest> | WireRequest;
}

const get = (path: string): WireRequest => ({ method: "GET", path });
const remove = (path: string): WireRequest => ({ method: "DELETE", path });
const send = (method: string, path: string, body: unknown): WireRequest => ({
  method,
  path,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});
const post = (path: string, body: unknown = {}): WireRequest => send("POST", path, body);
const lines = (query: string, jobs: readonly unknown[]): WireRequest => ({
  method: "POST",
  path: `/v1/jobs/bulk${query}`,
  headers: { "content-type": "application/x-ndjson" },
  body: jobs.map((job) => `${JSON.stringify(job)}\n`).join(""),
});

/** Goes on for as long as the client reads. */
const events = (query: string): WireRequest => ({ ...get(`/v1/events?${query}`), firstPieceOnly: true });

type Build = Attempt["request"];
const thing = (needs: Access, request: Build): Attempt => ({ needs, names: "thing", refusal: "not-found", request });
const tenant = (needs: Access, request: Build): Attempt => ({ needs, names: "tenant", refusal: "not-found", request });
const system = (needs: Access, request: Build): Attempt => ({ needs, names: "system", refusal: "not-found", request });
const list = (needs: Access, request: Build): Attempt => ({ needs, names: "tenant", refusal: "no-items", request });

const retentionOf = ({ tenantName }: { readonly tenantName: string }): string => `/v1/tenants/${tenantName}/retention`;
const DAYS = { rowDays: 30, logDays: 7, fileDays: 0 };
const RETENTION = { succeeded: DAYS, failed: DAYS, canceled: DAYS, deadLetterDays: 7 };
const webhooksOf = ({ tenantName }: Place): string => `/v1/tenants/${tenantName}/webhooks`;
const packagesOf = ({ tenantName }: Place): string => `/v1/tenants/${tenantName}/packages`;

const timerOf = async (place: Place): Promise<string> =>
  `/v1/tenants/${place.tenantName}/timers/${await place.timer()}`;

/** Names a worker whose row the test has written. */
export const WORKER = { pool: "default", workerId: "matrix-worker" };
const WORKER_PATH = `/v1/workers/${WORKER.pool}/${WORKER.workerId}`;

export const MATRIX: Readonly<Record<string, readonly Attempt[]>> = {
  submitJob: [
    tenant("submit", ({ tenantName }) => post("/v1/jobs", jobRequest(tenantName))),
    thing("submit", async (place) =>
      post("/v1/jobs", { ...jobRequest(place.tenantName), batchId: await place.batch() }),
    ),
  ],
  submitJobs: [
    {
      ...tenant("submit", ({ tenantName }) => post("/v1/jobs/bulk", { jobs: [jobRequest(tenantName)] })),
      refusal: "item-errors",
    },
    { ...tenant("submit", ({ tenantName }) => lines("", [jobRequest(tenantName)])), refusal: "item-errors" },
    thing("submit", async (place) =>
      post("/v1/jobs/bulk", { batchId: await place.batch(), jobs: [jobRequest(place.tenantName)] }),
    ),
    thing("submit", async (place) => lines(`?batchId=${await place.batch()}`, [jobRequest(place.tenantName)])),
  ],
  createBatch: [tenant("submit", ({ tenantName }) => post("/v1/batches", { tenantName, batchName: "A batch" }))],
  getJob: [thing("read", async (place) => get(`/v1/jobs/${await place.failedJob()}`))],
  findJobs: [
    list("read", async (place) => {
      await place.failedJob();
      return get(`/v1/tenants/${place.tenantName}/jobs`);
    }),
  ],
  exportJobs: [
    tenant("read", ({ tenantName }) => get(`/v1/tenants/${tenantName}/export`)),
    thing("read", async (place) =>
      get(`/v1/tenants/${place.tenantName}/export?format=csv&batchId=${await place.batch()}`),
    ),
  ],
  getOverview: [tenant("read", ({ tenantName }) => get(`/v1/tenants/${tenantName}/overview`))],
  resubmitJob: [
    thing("submit", async (place) => post(`/v1/jobs/${await place.failedJob()}/resubmit`, { publishLater: true })),
  ],
  startAction: [
    tenant("submit", ({ tenantName }) =>
      post(`/v1/tenants/${tenantName}/actions`, { kind: "cancel", filter: { tag: "none" } }),
    ),
  ],
  listActions: [
    list("read", async (place) => {
      await place.action();
      return get(`/v1/tenants/${place.tenantName}/actions`);
    }),
  ],
  getAction: [thing("read", async (place) => get(`/v1/tenants/${place.tenantName}/actions/${await place.action()}`))],
  cancelAction: [
    thing("submit", async (place) => post(`/v1/tenants/${place.tenantName}/actions/${await place.action()}/cancel`)),
  ],
  getClientJob: [
    thing("read", async (place) => get(`/v1/tenants/${place.tenantName}/jobs/${await place.clientJob()}`)),
  ],
  listArtifacts: [thing("read", async (place) => get(`/v1/jobs/${await place.jobWithFiles()}/artifacts`))],
  getArtifact: [thing("read", async (place) => get(`/v1/jobs/${await place.jobWithFiles()}/artifacts/report.txt`))],
  getArtifactsZip: [thing("read", async (place) => get(`/v1/jobs/${await place.jobWithFiles()}/artifacts.zip`))],
  getLog: [
    thing("read", async (place) => get(`/v1/jobs/${await place.jobWithFiles()}/log`)),
    thing("read", async (place) => get(`/v1/jobs/${await place.jobWithFiles()}/log?follow=true`)),
  ],
  cancelJob: [thing("submit", async (place) => post(`/v1/jobs/${await place.queuedJob()}/cancel`))],
  requeueJob: [thing("submit", async (place) => post(`/v1/jobs/${await place.failedJob()}/requeue`))],
  rescheduleJob: [
    thing("submit", async (place) => post(`/v1/jobs/${await place.queuedJob()}/reschedule`, { delayMs: 3_600_000 })),
  ],
  requeueJobs: [
    {
      ...thing("submit", async (place) => post("/v1/jobs/requeue", { jobIds: [await place.failedJob()] })),
      refusal: "item-errors",
    },
  ],
  listBatches: [
    list("read", async (place) => {
      await place.batch();
      return get(`/v1/batches?tenantName=${place.tenantName}`);
    }),
  ],
  getBatch: [thing("read", async (place) => get(`/v1/batches/${await place.batch()}`))],
  listJobs: [thing("read", async (place) => get(`/v1/batches/${await place.batch()}/jobs`))],
  closeBatch: [thing("submit", async (place) => post(`/v1/batches/${await place.batch()}/close`))],
  cancelBatch: [thing("submit", async (place) => post(`/v1/batches/${await place.batch()}/cancel`))],
  requeueBatch: [thing("submit", async (place) => post(`/v1/batches/${await place.batch()}/requeue`))],
  listDeadLetters: [
    list("read", async (place) => {
      await place.letter();
      return get(`/v1/dead-letters?tenantName=${place.tenantName}`);
    }),
  ],
  removeDeadLetter: [
    {
      ...thing("manage", async (place) => remove(`/v1/dead-letters/jobs-default-normal/${await place.letter()}`)),
      consumes: true,
    },
  ],
  listPackages: [
    list("read", async (place) => {
      await place.packageName();
      return get(packagesOf(place));
    }),
  ],
  getPackage: [thing("read", async (place) => get(`${packagesOf(place)}/${await place.packageName()}`))],
  putPackage: [
    tenant("manage", (place) => ({
      method: "PUT",
      path: `${packagesOf(place)}/published.zip`,
      headers: { "content-type": "application/zip" },
      body: zip(),
    })),
  ],
  deletePackage: [
    {
      ...thing("manage", async (place) => remove(`${packagesOf(place)}/${await place.packageName()}`)),
      consumes: true,
    },
  ],
  listPackageJobs: [thing("read", async (place) => get(`${packagesOf(place)}/${await place.packageName()}/jobs`))],
  listPackageVersions: [
    thing("read", async (place) => get(`${packagesOf(place)}/${await place.packageName()}/versions`)),
  ],
  restorePackageVersion: [
    thing("manage", async (place) => {
      const packageName = await place.packageName();
      const sha256 = await place.version(packageName);
      return post(`${packagesOf(place)}/${packageName}/versions/${sha256}/restore`);
    }),
  ],
  listSettings: [
    list("manage", async (place) =>
      get(`${packagesOf(place)}/${(await place.setting()).split("/")[0] ?? ""}/settings`),
    ),
  ],
  putSetting: [
    tenant("manage", (place) =>
      send("PUT", `${packagesOf(place)}/mail.zip/settings/SMTP_HOST`, { value: "localhost" }),
    ),
  ],
  deleteSetting: [
    {
      ...thing("manage", async (place) =>
        remove(`${packagesOf(place)}/${(await place.setting()).replace("/", "/settings/")}`),
      ),
      consumes: true,
    },
  ],
  listIdentityGrants: [
    list("manage", async (place) => {
      await place.identityPool();
      return get(`/v1/tenants/${place.tenantName}/identities`);
    }),
  ],
  putIdentityGrant: [
    tenant("operate", ({ tenantName }) =>
      send("PUT", `/v1/tenants/${tenantName}/identities/default`, { audiences: ["https://vault.azure.net"] }),
    ),
  ],
  deleteIdentityGrant: [
    {
      ...thing("operate", async (place) =>
        remove(`/v1/tenants/${place.tenantName}/identities/${await place.identityPool()}`),
      ),
      consumes: true,
    },
  ],
  listWebhooks: [
    list("manage", async (place) => {
      await place.webhook();
      return get(webhooksOf(place));
    }),
  ],
  getWebhook: [thing("manage", async (place) => get(`${webhooksOf(place)}/${await place.webhook()}`))],
  putWebhook: [
    tenant("manage", (place) => send("PUT", `${webhooksOf(place)}/new`, { url: "https://hooks.example.com/" })),
  ],
  deleteWebhook: [
    { ...thing("manage", async (place) => remove(`${webhooksOf(place)}/${await place.webhook()}`)), consumes: true },
  ],
  rotateWebhookSecret: [
    {
      ...thing("manage", async (place) => post(`${webhooksOf(place)}/${await place.webhook()}/rotate-secret`)),
      consumes: true,
    },
  ],
  testWebhook: [thing("manage", async (place) => post(`${webhooksOf(place)}/${await place.webhook()}/test`))],
  listWebhookDeliveries: [
    thing("manage", async (place) => get(`${webhooksOf(place)}/${await place.webhook()}/deliveries`)),
  ],
  resendWebhookDelivery: [
    thing("manage", async (place) => post(`${webhooksOf(place)}/${await place.delivery()}/resend`)),
  ],
  listTimers: [
    list("read", async (place) => {
      await place.timer();
      return get(`/v1/tenants/${place.tenantName}/timers`);
    }),
  ],
  getTimer: [thing("read", async (place) => get(await timerOf(place)))],
  listTimerOccurrences: [thing("read", async (place) => get(`${await timerOf(place)}/next`))],
  pauseTimer: [thing("manage", async (place) => post(`${await timerOf(place)}/pause`))],
  resumeTimer: [thing("manage", async (place) => post(`${await timerOf(place)}/resume`))],
  setTimerSchedule: [
    thing("manage", async (place) => send("PUT", `${await timerOf(place)}/schedule`, { cron: "00:10:00" })),
  ],
  resetTimerSchedule: [thing("manage", async (place) => remove(`${await timerOf(place)}/schedule`))],
  runTimer: [thing("submit", async (place) => post(`${await timerOf(place)}/run`))],
  listWorkers: [system("operate", () => get("/v1/workers"))],
  getWorker: [system("operate", () => get(WORKER_PATH))],
  drainWorker: [system("operate", () => post(`${WORKER_PATH}/drain`))],
  getSystem: [system("operate", () => get("/v1/system"))],
  getConsole: [system("operate", () => get("/v1/system/programs/worker-1/console"))],
  restartProgram: [system("operate", () => post("/v1/system/programs/worker-1/restart"))],
  listPauses: [system("signed-in", () => get("/v1/pauses"))],
  pauseTenant: [tenant("manage", ({ tenantName }) => send("PUT", `/v1/tenants/${tenantName}/pause`, {}))],
  resumeTenant: [
    {
      ...tenant("manage", async (place) => remove(`/v1/tenants/${await place.pausedTenant()}/pause`)),
      consumes: true,
    },
  ],
  pauseType: [tenant("manage", ({ tenantName }) => send("PUT", `/v1/tenants/${tenantName}/types/Echo/pause`, {}))],
  resumeType: [
    {
      ...thing("manage", async (place) =>
        remove(`/v1/tenants/${place.tenantName}/types/${await place.pausedType()}/pause`),
      ),
      consumes: true,
    },
  ],
  pausePool: [system("operate", () => send("PUT", "/v1/pools/default/pause", {}))],
  resumePool: [
    { ...system("operate", async (place) => remove(`/v1/pools/${await place.pausedPool()}/pause`)), consumes: true },
  ],
  pauseQueue: [system("operate", () => send("PUT", "/v1/pools/default/queues/low/pause", {}))],
  resumeQueue: [
    {
      ...system("operate", async (place) => remove(`/v1/pools/${await place.pausedPool()}/queues/low/pause`)),
      consumes: true,
    },
  ],
  putWeight: [
    thing("operate", async (place) => send("PUT", `/v1/tenants/${await place.spareTenant()}/weight`, { weight: 2 })),
  ],
  followEvents: [
    thing("read", async (place) => events(`jobId=${await place.failedJob()}`)),
    thing("read", async (place) => events(`batchId=${await place.batch()}`)),
    tenant("read", ({ tenantName }) => events(`tenantName=${tenantName}`)),
  ],
  createEventTicket: [
    thing("read", async (place) => post("/v1/events/tickets", { jobId: await place.failedJob() })),
    thing("read", async (place) => post("/v1/events/tickets", { batchId: await place.batch() })),
    tenant("read", ({ tenantName }) => post("/v1/events/tickets", { tenantName })),
  ],
  getAuth: [system("anonymous", () => get("/v1/auth"))],
  getMe: [system("signed-in", () => get("/v1/me"))],
  listTenants: [system("operate", () => get("/v1/tenants"))],
  putTenant: [tenant("operate", ({ tenantName }) => ({ method: "PUT", path: `/v1/tenants/${tenantName}` }))],
  deleteTenant: [
    { ...thing("operate", async (place) => remove(`/v1/tenants/${await place.spareTenant()}`)), consumes: true },
  ],
  startErasure: [
    tenant("operate", async (place) => {
      const confirm = await place.spareTenant();
      return post(`/v1/tenants/${confirm}/erasure`, { confirm });
    }),
  ],
  getErasure: [thing("operate", async (place) => get(`/v1/tenants/${await place.erasedTenant()}/erasure`))],
  getQuotas: [tenant("read", ({ tenantName }) => get(`/v1/tenants/${tenantName}/quotas`))],
  putQuotas: [tenant("operate", ({ tenantName }) => send("PUT", `/v1/tenants/${tenantName}/quotas`, {}))],
  listTenantAudit: [
    list("manage", async (place) => {
      await place.webhook();
      return get(`/v1/tenants/${place.tenantName}/audit`);
    }),
  ],
  listSystemAudit: [system("operate", () => get("/v1/audit"))],
  getRetention: [tenant("read", (place) => get(retentionOf(place)))],
  putRetention: [tenant("manage", (place) => send("PUT", retentionOf(place), RETENTION))],
  deleteRetention: [tenant("manage", (place) => remove(retentionOf(place)))],
  listGrants: [tenant("operate", ({ tenantName }) => get(`/v1/tenants/${tenantName}/grants`))],
  putGrant: [
    tenant("operate", async (place) =>
      send("PUT", `/v1/tenants/${place.tenantName}/grants/${await place.grantee()}`, {
        access: "read",
        name: "Somebody",
      }),
    ),
  ],
  deleteGrant: [
    {
      ...thing("operate", async (place) => remove(`/v1/tenants/${place.tenantName}/grants/${await place.grantee()}`)),
      consumes: true,
    },
  ],
};
