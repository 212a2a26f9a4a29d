/**
 * The examples of the API's document: one order of tenant acme, from its submit to its webhook. By schema, by answer where
 * an operation leaves another state behind, and by name of a parameter. with-examples.ts makes the rest from them.
 */
const ADA = "6f1c1d7e-52a4-4b86-9d0e-7a3f2b9c4d11";
const SHOP = "Web shop";
const tenantName = "acme";
const batchId = "acme.zybsjbpcjz4q7d2c9m";
const jobId = `${batchId}.00.01m6dmbe3r0c7kq2t9`;
const otherJobId = `${batchId}.00.01m6dmbe3r1m3x8h5d`;
const timerBatchId = "acme.zz5k2m8q0r7t3w9x4a";
const actionId = "acme.zybsgfhyhz3d8k1v6p";
const sha256 = "3f2a91c07b5d4e86a1f9c2d37e60b8549c1d0a7f2e6b38c5d4f7a90b1c8e2d63";
const messageId = "msg_9b1f6a0c2d7e";
const requestId = "01m6dmbe3k-4f7a90b1";
const packageName = "thumbnails.zip";
const jobType = "Thumbnails";
const parameters = { image: "order-7.png", sizes: [64, 256] };
const tags = ["customer:4711"];

const JOB_REQUEST = {
  ...{ tenantName, clientJobId: "order-7", jobType, jobName: "Thumbnails of order 7" },
  ...{ jobProcessorPackageName: packageName, parameters, priority: "high", tags },
};

const START = {
  ...{ execution: 1, attempt: 1, workerId: "default/worker-2", claimId: "c-01m6dmbe4h" },
  startedAt: "2026-11-02T08:00:01.312Z",
};
const ACCEPTED = {
  ...{ jobId, batchId, ...JOB_REQUEST, pool: "default", submittedAt: "2026-11-02T08:00:00.120Z", submittedBy: SHOP },
  requestId,
};
const QUEUED = {
  ...ACCEPTED,
  ...{ state: "queued", attempts: 0, interruptions: 0, cancelWanted: false, artifactCount: 0, history: [] as object[] },
};
const RUNNING = {
  ...{ ...QUEUED, state: "running", attempts: 1, startedAt: START.startedAt, workerId: START.workerId },
  ...{ progress: { fraction: 0.5, text: "64 of 128" }, packageHash: sha256, history: [START] },
};
const SUCCEEDED = {
  ...{ ...RUNNING, state: "succeeded", endedAt: "2026-11-02T08:00:03.940Z" },
  ...{ progress: { fraction: 1 }, output: { files: 2 }, artifactCount: 2 },
  history: [{ ...START, endedAt: "2026-11-02T08:00:03.940Z", outcome: "succeeded" }],
};
const CANCELED = {
  ...{ ...QUEUED, state: "canceled", endedAt: "2026-11-02T08:00:00.870Z" },
  failure: {
    ...{ code: "JobCanceled", message: "The job was canceled.", attempt: 0, retryable: false },
    failedAt: "2026-11-02T08:00:00.870Z",
  },
};

const COUNTS = { queued: 3, running: 2, succeeded: 118, failed: 1, canceled: 0, total: 124 };
const BATCH = {
  ...{ batchId, tenantName, batchName: "Orders of November 2", priority: "normal", pool: "default", state: "open" },
  ...{ generation: 1, createdAt: "2026-11-02T07:59:00.011Z", createdBy: SHOP, tags: ["nightly"], counts: COUNTS },
};

const ACTION = {
  ...{ actionId, tenantName, kind: "requeue", dryRun: false, state: "done", cancelWanted: false },
  filter: { state: "failed", jobType, since: "2026-11-02T00:00:00.000Z", until: "2026-11-02T09:30:00.000Z" },
  counts: { matched: 14, done: 13, refused: 1, failed: 0 },
  ...{ startedAt: "2026-11-02T09:30:00.000Z", startedBy: "Ada Lovelace", endedAt: "2026-11-02T09:30:02.410Z" },
};
const STARTED_ACTION = {
  ...{ ...ACTION, state: "running", endedAt: undefined },
  counts: { matched: 0, done: 0, refused: 0, failed: 0 },
};

const PACKAGE_FACTS = {
  ...{ bytes: 482_113, sha256, uploadedAt: "2026-10-28T14:20:51.000Z", uploadedBy: "Ada Lovelace" },
  jobTypes: [jobType],
};
const PACKAGE = { tenantName, packageName, ...PACKAGE_FACTS };

const TIMER = {
  ...{ tenantName, packageName: "reports.zip", timerName: "nightly", listener: "acme.reports.nightly" },
  ...{ enabled: true, cron: "0 30 2 * * *", timeZone: "Europe/Vienna", misfire: "once", overlap: "skip" },
  ...{ graceSeconds: 60, runOnDeploy: false, pool: "default", priority: "normal", batchId: timerBatchId },
  ...{ next: "2026-11-03T01:30:00.000Z", sentUpTo: "2026-11-02T08:10:00.000Z" },
  ...{ lastScheduledAt: "2026-11-02T01:30:00.000Z", lastStartedAt: "2026-11-02T01:30:00.214Z" },
  ...{ lastFinishedAt: "2026-11-02T01:31:12.870Z", lastResult: "succeeded" },
  ...{ lastJobId: `${timerBatchId}.00.zybsjh7vq76t0w4b8n`, lastWorkerId: "default/worker-1" },
  ...{ isRunning: false, missedCount: 0, skippedCount: 0, waitingCount: 0, fence: 41 },
};
const PAUSED_TIMER = {
  ...{ ...TIMER, enabled: false, pausedAt: "2026-11-02T08:05:00.000Z", pausedBy: "Ada Lovelace", next: undefined },
};
const OVERRIDDEN_TIMER = {
  ...{ ...TIMER, cron: "0 0 6 * * *", next: "2026-11-03T05:00:00.000Z" },
  override: {
    ...{ declaredCron: "0 30 2 * * *", declaredTimeZone: "Europe/Vienna" },
    ...{ setAt: "2026-11-02T08:05:00.000Z", setBy: "Ada Lovelace" },
  },
};

const PAUSE = {
  ...{ pausedAt: "2026-11-02T08:05:00.000Z", pausedBy: "Ada Lovelace", reason: "The mail server is being moved." },
};

const DAYS = { rowDays: 90, logDays: 30, fileDays: 90 };
const RETENTION = { succeeded: DAYS, failed: { ...DAYS, rowDays: 365 }, canceled: DAYS, deadLetterDays: 30 };

const WEBHOOK = {
  ...{ tenantName, webhookName: "billing", url: "https://hooks.example.com/jobyard", enabled: true },
  events: ["batchCompleted", "jobsFailed"],
  ...{ createdAt: "2026-10-01T09:00:00.000Z", createdBy: "Ada Lovelace", changedAt: "2026-10-01T09:00:00.000Z" },
};
const SECRET = { secret: "whsec_ZXhhbXBsZS1leGFtcGxlLWV4YW1wbGUtZXhhbXBsZQ==" };
const DELIVERY = {
  ...{
    messageId,
    eventType: "batchCompleted",
    batchId,
    generation: 1,
    state: "delivered",
    createdAt: "2026-11-02T08:20:00.000Z",
    tries: 1,
  },
  ...{ triedAt: "2026-11-02T08:20:00.412Z", answerCode: 200, answer: "ok" },
};

const WORKER = {
  ...{ pool: "default", workerId: "worker-1", state: "running", startedAt: "2026-11-01T22:00:04.000Z" },
  ...{ heartbeatAt: "2026-11-02T08:05:11.000Z", slots: 4, runningCount: 2, drainWanted: false, version: "0.1.0" },
};

const PROGRAM = { name: "worker-1", state: "running", startedAt: "2026-11-01T22:00:03.000Z", restartCount: 0 };

const GRANT = {
  ...{ tenantName, principalId: ADA, access: "submit", name: "Ada (accounting)" },
  ...{ grantedAt: "2026-10-01T09:00:00.000Z", grantedBy: "Grace Hopper" },
};
const QUOTAS = {
  tenantName,
  jobsPerDay: { limit: 100_000, used: 4_210, until: "2026-11-03T00:00:00.000Z" },
  storedBytes: { limit: 5_000_000_000, used: 812_004_113, countedAt: "2026-11-02T07:30:00.000Z" },
};
const ERASURE = {
  ...{ tenantName, state: "done", startedAt: "2026-11-02T10:00:00.000Z", startedBy: "Grace Hopper" },
  ...{ endedAt: "2026-11-02T10:04:31.000Z", canceled: 3, open: 0 },
  removed: { packages: 1, jobs: 124, counters: 4, files: 357, batches: 1, index: 248, webhooks: 1, pauses: 1 },
};
const SETTING = {
  ...{ tenantName, packageName: "mail.zip", settingName: "SMTP_HOST", secret: false, declared: true, required: true },
  ...{ isSet: true, value: "mail.example.com", version: 2, setAt: "2026-10-12T10:00:00.000Z", setBy: "Ada Lovelace" },
};
const IDENTITY_GRANT = {
  ...{ tenantName, pool: "provisioning", audiences: ["https://management.azure.com"] },
  ...{ grantedAt: "2026-10-01T09:00:00.000Z", grantedBy: "Grace Hopper" },
};

/** By the id of a schema. A schema without one is made of its fields' examples. */
export const SCHEMA_EXAMPLES: Readonly<Record<string, unknown>> = {
  JobRequest: JOB_REQUEST,
  SubmitJob: JOB_REQUEST,
  SubmittedJob: { jobId, batchId },
  SubmittedItem: { jobId, batchId },
  ResubmitJob: { parameters: { ...parameters, sizes: [64, 256, 1_024] } },
  NoFields: {},
  RequeueJobs: { jobIds: [jobId, otherJobId] },
  RequeueResults: {
    results: [
      { jobId, state: "queued" },
      {
        jobId: otherJobId,
        error: { code: "JobNotEnded", message: `Job ${otherJobId} is running. Only an ended job can be requeued.` },
      },
    ],
  },
  RequeuedCount: { requeued: 14 },
  Job: SUCCEEDED,
  Artifact: { path: "64/order-7.png", bytes: 5_120 },
  CreateBatch: { tenantName, batchName: "Orders of November 2", tags: ["nightly"] },
  Batch: BATCH,
  RequeueBatch: { state: "failed" },
  DeadLetter: {
    ...{ queue: "jobs-default-normal", sequenceNumber: "42", jobId, jobType, messageId: `${jobId}:3` },
    ...{ reason: "JobFailed", description: "no such image: order-7.png", enqueuedAt: "2026-11-02T08:00:00.140Z" },
  },
  StartAction: { kind: "requeue", filter: { state: "failed", jobType, since: "2026-11-02T00:00:00Z" } },
  Action: ACTION,
  Package: PACKAGE,
  PublishedPackage: { ...PACKAGE, timers: [] },
  PackageVersion: { ...PACKAGE_FACTS, isCurrent: true },
  PackageJob: {
    jobType,
    parameters: { type: "object", properties: { image: { type: "string" } }, required: ["image"] },
  },
  Timer: TIMER,
  TimerSchedule: { cron: "0 0 6 * * *", timeZone: "Europe/Vienna" },
  TimerOccurrences: { items: ["2026-11-03T01:30:00.000Z", "2026-11-04T01:30:00.000Z"] },
  PutPause: { reason: PAUSE.reason },
  Pause: { kind: "tenant", tenantName, ...PAUSE },
  PutWeight: { weight: 3 },
  EventTicketRequest: { jobId },
  EventTicket: { ticket: "eyJzdWJqZWN0Ijoi…", expiresAt: "2026-11-02T08:01:00.000Z" },
  PutWebhook: { url: WEBHOOK.url },
  Webhook: WEBHOOK,
  WebhookWithSecret: { ...WEBHOOK, ...SECRET },
  WebhookTest: { delivered: true, messageId, durationMs: 84, answerCode: 200, answer: "ok" },
  WebhookDelivery: DELIVERY,
  Worker: WORKER,
  System: { sweptAt: "2026-11-02T08:04:52.000Z", programs: [PROGRAM] },
  Program: PROGRAM,
  Tenant: { tenantName, createdAt: "2026-10-01T08:55:00.000Z", createdBy: "Grace Hopper", weight: 1 },
  PutGrant: { access: "submit", name: GRANT.name },
  Grant: GRANT,
  Me: {
    ...{ name: "Ada Lovelace", kind: "user", principalId: ADA, roles: ["Jobs.Submit"], allTenants: false },
    grants: [{ tenantName, access: "submit" }],
  },
  PutQuotas: { jobsPerDay: QUOTAS.jobsPerDay.limit, storedBytes: QUOTAS.storedBytes.limit },
  Quotas: QUOTAS,
  RunTimer: { parameters: { day: "2026-10-31" } },
  RescheduleJob: { delayMs: 3_600_000 },
  Overview: {
    ...{ tenantName, waiting: { count: 3, isMore: false }, delayed: { count: 1, isMore: false } },
    ...{ running: { count: 2, isMore: false }, failed: { count: 1, isMore: false } },
    oldestWaitingAt: "2026-11-02T08:04:40.000Z",
    course: {
      ...{ since: "2026-11-02T02:10:00.000Z", spanMs: 600_000 },
      spans: [
        { succeeded: 40, failed: 0 },
        { succeeded: 78, failed: 1 },
      ],
    },
  },
  StartErasure: { confirm: tenantName },
  Erasure: ERASURE,
  PutRetention: RETENTION,
  Retention: { tenantName, ...RETENTION, changedAt: "2026-10-01T09:00:00.000Z", changedBy: "Ada Lovelace" },
  PutIdentityGrant: { audiences: IDENTITY_GRANT.audiences },
  IdentityGrant: IDENTITY_GRANT,
  PutSetting: { value: SETTING.value },
  Setting: SETTING,
  AuditEntry: {
    ...{ at: "2026-11-02T08:05:00.000Z", tenantName, operation: "putGrant", outcome: "done", requestId },
    ...{
      actor: "Grace Hopper",
      actorId: "b7a1f0c4-3d52-4e1b-8c66-0f9e2d1a7b35",
      actorKind: "user",
      from: "203.0.113.7",
    },
    ...{ subject: { principalId: ADA }, before: { access: "read" }, after: { access: "submit", name: GRANT.name } },
  },
  AuthFacts: {
    ...{ kind: "entra", authority: "https://login.microsoftonline.com" },
    ...{ tenantId: "8d3b1c52-7f64-4e0a-9a1d-5c2e8f7b6a40", clientId: "2c9e4f81-6b3d-4a75-b0f2-1e8d7c5a9364" },
    ...{ audience: "api://2c9e4f81-6b3d-4a75-b0f2-1e8d7c5a9364" },
    ...{ userScope: "api://2c9e4f81-6b3d-4a75-b0f2-1e8d7c5a9364/access_as_user" },
    ...{ applicationScope: "api://2c9e4f81-6b3d-4a75-b0f2-1e8d7c5a9364/.default" },
  },
  Error: {
    error: {
      ...{ code: "InvalidRequest", message: "jobName: must not be empty", target: "jobName" },
      ...{ details: [{ target: "jobName", message: "must not be empty" }], requestId },
    },
  },
};

/** By operation and status, and media type where there are several: answers whose state the schema's example does not have, and answers without a named schema. */
export const ANSWER_EXAMPLES: Readonly<Record<string, unknown>> = {
  "cancelJob 200": CANCELED,
  "cancelJob 202": { ...RUNNING, cancelWanted: true },
  "requeueJob 200": { ...QUEUED, history: SUCCEEDED.history },
  "getConsole 200": '{"level":"info","time":"2026-11-02T08:05:11.000Z","msg":"started"}\n',
  "getLog 200": "2026-11-02T08:00:01.402Z log reading order-7.png\n2026-11-02T08:00:03.871Z log 2 files written\n",
  "createBatch 201": { ...BATCH, counts: { ...COUNTS, queued: 0, running: 0, succeeded: 0, failed: 0, total: 0 } },
  "closeBatch 200": { ...BATCH, state: "closed" },
  "cancelBatch 200": {
    ...{ ...BATCH, state: "canceled", completedAt: "2026-11-02T08:06:00.000Z" },
    counts: { ...COUNTS, queued: 0, running: 0, canceled: 5 },
  },
  "cancelBatch 202": { ...BATCH, state: "canceled", counts: { ...COUNTS, queued: 0, canceled: 3 } },
  "startAction 202": STARTED_ACTION,
  "exportJobs 200 text/csv": "jobId,state,attempts\r\norder-7,succeeded,1\r\n# complete: 1 jobs\r\n",
  "startErasure 202": {
    ...{ ...ERASURE, state: "stopping", endedAt: undefined, canceled: 0, open: 2, removed: {} },
  },
  "rescheduleJob 200": { ...QUEUED, runAt: "2026-11-02T09:05:00.000Z" },
  "cancelAction 200": { ...STARTED_ACTION, cancelWanted: true },
  "pauseTimer 200": PAUSED_TIMER,
  "setTimerSchedule 200": OVERRIDDEN_TIMER,
  "pauseType 200": { kind: "type", tenantName, jobType, ...PAUSE },
  "pausePool 200": { kind: "pool", pool: "default", ...PAUSE },
  "pauseQueue 200": { kind: "queue", pool: "default", priority: "high", ...PAUSE },
  "putWeight 200": { tenantName, createdAt: "2026-10-01T08:55:00.000Z", createdBy: "Grace Hopper", weight: 3 },
  "followEvents 200": {
    ...{ version: 1, sequence: 2_097_151, at: "2026-11-02T08:00:03.940Z", tenantName, batchId, jobId },
    ...{ jobName: JOB_REQUEST.jobName, jobType, eventType: "jobCompleted", status: "succeeded" },
    ...{ execution: 1, artifactCount: 2 },
  },
  "drainWorker 202": { ...WORKER, drainWanted: true },
  "resendWebhookDelivery 202": {
    ...{
      ...DELIVERY,
      state: "waiting",
      nextTryAt: "2026-11-02T09:00:00.000Z",
      answerCode: undefined,
      answer: undefined,
    },
  },
};

/** Of parameters whose schemas have none. */
export const PARAMETER_EXAMPLES: Readonly<Record<string, unknown>> = {
  ...{ batchId, jobId, actionId, sha256, messageId, principalId: ADA },
  ...{ state: "failed", since: "2026-11-02T00:00:00Z", "idempotency-key": "order-7" },
};

/** Parameters that an example has although they can be left out. */
export const OPTIONAL_IN_EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  submitJob: ["idempotency-key"],
  findJobs: ["state", "since"],
  followEvents: ["tenantName"],
};
