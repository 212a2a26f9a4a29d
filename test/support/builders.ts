/** Rows for tests: whole and valid, with what the test is about set by hand. */
import { randomBytes } from "node:crypto";
import { createIdSource } from "../../runtime/core/job/ids.ts";
import { type JobAction, NO_ACTION_COUNTS } from "../../runtime/core/job/action.ts";
import { type Batch, type Job, NEW_BATCH, UNTOUCHED_JOB } from "../../runtime/core/job/job.ts";
import { TIMER_GRACE_DEFAULT_SECONDS } from "../../runtime/core/limits.ts";
import type { Timer } from "../../runtime/core/timer/timer.ts";
import { DEFAULT_POOL } from "../../runtime/core/deployment/topology.ts";
import type { WebhookDelivery, Webhook } from "../../runtime/core/job/webhook.ts";
import type { WorkerRecord } from "../../runtime/core/job/worker-record.ts";
import { systemClock } from "../../runtime/core/clock.ts";

const ids = createIdSource({ now: systemClock.now, random32: () => Math.floor(Math.random() * 2 ** 32) });

export function batchOf(fields: Partial<Batch> = {}): Batch {
  const tenantName = fields.tenantName ?? "acme";
  return {
    batchId: ids.batchId(tenantName),
    tenantName,
    batchName: "Batch",
    priority: "normal",
    pool: DEFAULT_POOL,
    ...NEW_BATCH,
    shardCount: 1,
    createdAt: new Date("2026-03-01T08:00:00Z"),
    createdBy: "tester",
    ...fields,
  };
}

export function jobOf(fields: Partial<Job> = {}, batch: Batch = batchOf()): Job {
  return {
    jobId: ids.jobId(batch.batchId, batch.shardCount),
    batchId: batch.batchId,
    tenantName: batch.tenantName,
    clientJobId: undefined,
    jobType: "Echo",
    jobName: "echo",
    jobProcessorPackageName: "echo.zip",
    parameters: '{"text":"hello"}',
    priority: batch.priority,
    pool: batch.pool,
    retry: {},
    timeoutMs: undefined,
    expiresAt: undefined,
    ...UNTOUCHED_JOB,
    runAt: undefined,
    submittedAt: new Date("2026-03-01T08:00:01Z"),
    submittedBy: "tester",
    requestId: undefined,
    ...fields,
  };
}

export function actionOf(fields: Partial<JobAction> = {}): JobAction {
  const tenantName = fields.tenantName ?? "acme";
  const startedAt = new Date("2026-03-01T08:00:00.125Z");
  return {
    ...{
      actionId: ids.batchId(tenantName),
      tenantName,
      kind: "cancel",
      filter: { tag: "a", until: startedAt },
      tags: [],
    },
    ...{ dryRun: false, state: "running", counts: NO_ACTION_COUNTS, position: undefined, cancelWanted: false },
    ...{ startedAt, startedBy: "tester", endedAt: undefined },
    ...fields,
  };
}

/** Every minute since half past seven. */
export function timerOf(fields: Partial<Timer> = {}): Timer {
  const registeredAt = new Date("2026-03-01T07:30:00Z");
  return {
    tenantName: "acme",
    packageName: "export.zip",
    timerName: "Export",
    cron: "0 * * * * *",
    timeZone: "UTC",
    misfire: "once",
    overlap: "skip",
    graceMs: TIMER_GRACE_DEFAULT_SECONDS * 1_000,
    runOnDeploy: false,
    pool: DEFAULT_POOL,
    priority: "normal",
    packageHash: "0".repeat(64),
    registeredAt,
    activeFrom: registeredAt,
    scheduledUpTo: registeredAt,
    pausedAt: undefined,
    pausedBy: undefined,
    override: undefined,
    ...fields,
  };
}

export function workerOf(fields: Partial<WorkerRecord> = {}): WorkerRecord {
  const startedAt = new Date();
  return {
    pool: DEFAULT_POOL,
    workerId: "worker-1",
    bootId: "boot",
    startedAt,
    heartbeatAt: startedAt,
    state: "running",
    slots: 2,
    version: "test",
    claims: [],
    cancel: [],
    drain: false,
    ...fields,
  };
}

/** Signs with 32 zeros. */
export function webhookOf(fields: Partial<Webhook> = {}): Webhook {
  const createdAt = new Date("2026-03-01T08:00:00Z");
  return {
    tenantName: "acme",
    webhookName: "billing",
    webhookId: randomBytes(8).toString("hex"),
    url: "https://hooks.example.com/jobyard",
    events: ["batchCompleted"],
    enabled: true,
    disabledBecause: undefined,
    secrets: [{ value: `whsec_${Buffer.alloc(32).toString("base64")}`, validUntil: undefined }],
    failuresInRow: 0,
    createdAt,
    createdBy: "tester",
    changedAt: createdAt,
    ...fields,
  };
}

/** Waits for the given webhook, from the beginning of time. */
export function deliveryOf(webhook: Webhook, fields: Partial<WebhookDelivery> = {}): WebhookDelivery {
  const { tenantName, webhookName, webhookId } = webhook;
  const name = randomBytes(8).toString("hex");
  return {
    ...{ tenantName, webhookName, webhookId },
    key: `0${name}`,
    messageId: `msg_${name}`,
    eventType: "batchCompleted",
    batchId: ids.batchId(tenantName),
    generation: 1,
    body: '{"eventType":"batchCompleted"}',
    createdAt: new Date("2026-03-01T08:00:00Z"),
    ...{ state: "waiting", tries: 0, nextTryAt: new Date(0), triedAt: undefined },
    ...{ answerCode: undefined, answer: undefined, error: undefined },
    ...fields,
  };
}
