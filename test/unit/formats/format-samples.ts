/**
 * Examples of everything in core/formats.ts, as this code writes it, and how this code reads it. Every word that a field can
 * hold is in one of them, so that a new word, field, column or version is something that no fixture has.
 */
import type { Place } from "../../../runtime/core/admission/line.ts";
import { type LineHead, NEW_LINE } from "../../../runtime/core/admission/limit.ts";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { batchCells, batchKeys, batchOf } from "../../../runtime/azure/tables/batch-store.ts";
import type { Row } from "../../../runtime/azure/tables/columns.ts";
import type { TableAccess } from "../../../runtime/azure/connect.ts";
import { jobCells, jobKeys, jobOf } from "../../../runtime/azure/tables/job-entity.ts";
import { keyCells, keyKeys, keyOf } from "../../../runtime/azure/tables/key-store.ts";
import { factsOf, metadataOf } from "../../../runtime/azure/blobs/package-blob.ts";
import {
  grantCells,
  grantKeys,
  grantOf,
  tenantCells,
  tenantKeys,
  tenantOf,
} from "../../../runtime/azure/tables/tenant-store.ts";
import * as lineRows from "../../../runtime/azure/tables/line-store.ts";
import * as timerRows from "../../../runtime/azure/tables/timer-store.ts";
import * as uniqueRows from "../../../runtime/azure/tables/unique-key-store.ts";
import { SWEEP_NOTE_KEYS, sweepNoteCells, sweepNoteOf } from "../../../runtime/azure/tables/sweep-notes.ts";
import * as quotaRows from "../../../runtime/azure/tables/quota-store.ts";
import { QUOTA_NAMES, type TenantQuota } from "../../../runtime/core/ports/quota-store.ts";
import * as auditRows from "../../../runtime/azure/tables/audit-store.ts";
import { AUDIT_OUTCOMES, type AuditEntry } from "../../../runtime/core/audit.ts";
import * as actionRows from "../../../runtime/azure/tables/action-store.ts";
import { entriesOf, storedEntryOf } from "../../../runtime/azure/tables/job-index.ts";
import * as erasureRows from "../../../runtime/azure/tables/erasure-store.ts";
import * as retentionRows from "../../../runtime/azure/tables/retention-store.ts";
import * as identityRows from "../../../runtime/azure/tables/identity-grant-store.ts";
import * as pauseRows from "../../../runtime/azure/tables/pause-store.ts";
import * as settingRows from "../../../runtime/azure/tables/setting-store.ts";
import * as waitingRows from "../../../runtime/azure/tables/waiting-store.ts";
import * as webhookRows from "../../../runtime/azure/tables/webhook-entity.ts";
import { workerCells, workerKeys, workerOf } from "../../../runtime/azure/tables/worker-store.ts";
import { countsOf, createWriterCounter } from "../../../runtime/azure/tables/writer-counter.ts";
import type { Pause, PausedSubject } from "../../../runtime/core/admission/pause.ts";
import { ACTION_KINDS, ACTION_STATES, type ActionKind, type JobAction } from "../../../runtime/core/job/action.ts";
import { bellOf } from "../../../runtime/core/job/bell.ts";
import { ERASED_THINGS, ERASURE_STATES, type Erasure, newErasure } from "../../../runtime/core/job/erasure.ts";
import * as events from "../../../runtime/core/job/events.ts";
import type { FormatName } from "../../../runtime/core/formats.ts";
import { TENANT_ACCESS } from "../../../runtime/core/http/access.ts";
import { BATCH_STATES, type Batch, type HistoryEntry, type Job } from "../../../runtime/core/job/job.ts";
import { KEY_KINDS } from "../../../runtime/core/job/keys.ts";
import { checkManifest, type Manifest, parseAcceptedManifest } from "../../../runtime/core/package/manifest.ts";
import { parseMessage } from "../../../runtime/core/job/message.ts";
import { PRIORITIES } from "../../../runtime/core/job/priority.ts";
import { parseReleasePointer } from "../../../runtime/core/ports/release-reader.ts";
import { DEFAULT_RETRY } from "../../../runtime/core/job/retry.ts";
import { retentionOf, type TenantRetention } from "../../../runtime/core/job/retention.ts";
import { JOB_STATES } from "../../../runtime/core/job/states.ts";
import { outgoingTick } from "../../../runtime/core/timer/tick.ts";
import { batchIdOf, newTimerRun, scheduleHashOf } from "../../../runtime/core/timer/timer.ts";
import { DELIVERY_STATES, WEBHOOK_EVENTS } from "../../../runtime/core/job/webhook.ts";
import { WORKER_STATES } from "../../../runtime/core/job/worker-record.ts";
import { leftIn, openClaimJournal } from "../../../runtime/worker/claim-journal.ts";
import * as builders from "../../support/builders.ts";

export interface FormatSamples {
  /** As this code writes it, by the name of the example. */
  readonly written: Readonly<Record<string, unknown>>;
  /** What this code makes of something written. Throws, or returns nothing, when it cannot read it. */
  readonly read: (written: unknown) => unknown;
}

const AT = new Date("2026-03-01T08:00:00.125Z");
const BATCH_ID = "acme.zycdbsdbzzzzzrzzzr";
const JOB_ID = `${BATCH_ID}.00.01kjm6jm000007001f`;
const HASH = "0123456789abcdef".repeat(4);
const PRINCIPAL = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const ETAG = `W/"datetime'2026-03-01T08%3A00%3A00.1250000Z'"`;

const row = (read: (row: Row) => unknown, written: FormatSamples["written"]): FormatSamples => ({
  written,
  read: (cells) => read(cells as Row),
});
/** One example for each word. */
const each = <Word extends string>(words: readonly Word[], make: (word: Word) => unknown): Record<string, unknown> =>
  Object.fromEntries(words.map((word) => [word, make(word)]));

const traceOf = (span: string): string => `00-${"a".repeat(32)}-${span.repeat(16)}-01`;
const OUTCOMES = ["succeeded", "failed", "canceled", "interrupted"] as const;
const entry = (execution: number, outcome: HistoryEntry["outcome"]): HistoryEntry => ({
  ...{ execution, attempt: 1, workerId: "w-1", claimId: `c-${execution}`, startedAt: AT },
  trace: traceOf(String(execution)),
  ...(outcome && { endedAt: AT, outcome, code: "JobFailed" }),
});
const failure = { code: "JobFailed", message: "no luck", attempt: 1, failedAt: AT, retryable: true };
const claim = {
  id: "c-5",
  workerId: "w-1",
  bootId: "b-1",
  queue: "jobs-default-normal",
  sequenceNumber: "42",
  since: AT,
};
const ids = { jobId: JOB_ID, batchId: BATCH_ID, tenantName: "acme" };
const bareJob = builders.jobOf({ ...ids, parameters: undefined, submittedAt: AT });
const fullJob: Job = {
  ...bareJob,
  ...{
    clientJobId: "order-7",
    requestId: "5b0c9a52-3f6d-4c0e-9d5b-0a8a3c1f7e21",
    trace: traceOf("b"),
    parameters: '{"a":1}',
    retry: DEFAULT_RETRY,
    timeoutMs: 60_000,
    expiresAt: AT,
    runAt: AT,
    tags: ["customer:4711", "nightly"],
    originJobId: `${BATCH_ID}.00.01kjm6jm0000070020`,
  },
  ...{ ring: 3, attempts: 1, interruptions: 1, executions: 5, claim, cancelWanted: true, reopen: true },
  ...{ startedAt: AT, endedAt: AT, progress: { fraction: 0.5, text: "half" }, output: '"done"', artifactCount: 2 },
  ...{
    failure,
    packageHash: HASH,
    history: [...OUTCOMES.map((outcome, i) => entry(i + 1, outcome)), entry(5, undefined)],
  },
};
const jobRow = (job: Job) => ({ ...jobKeys(job.jobId), ...jobCells(job) });
const counts = { queued: 1, running: 2, succeeded: 3, failed: 4, canceled: 5 };
const batch: Batch = builders.batchOf({
  ...{ batchId: BATCH_ID, createdAt: AT, generation: 2, completedGeneration: 1, completedAt: AT, atRest: true },
  unannounced: [{ generation: 1, state: "closed", completedAt: AT, counts }],
  failureNotice: { from: 2, to: 5, at: AT, isMade: false, jobIds: [JOB_ID] },
  ...{ tags: ["nightly"], indexedAt: AT },
});
const retention: TenantRetention = {
  ...retentionOf({ rowDays: 90, logDays: 30, fileDays: 0, deadLetterDays: 30 }),
  ...{ tenantName: "acme", changedAt: AT, changedBy: "ada" },
};
const erasure: Erasure = {
  ...newErasure("acme", AT, "ada"),
  ...{ canceled: 2, open: 1, removedInPass: 7 },
  removed: Object.fromEntries(ERASED_THINGS.map((thing, index) => [thing, index + 1])),
};
const batchRow = (made: Batch) => ({ ...batchKeys(made.batchId), ...batchCells(made) });

const timer = builders.timerOf({ registeredAt: AT, activeFrom: AT, scheduledUpTo: AT, packageHash: HASH });
const timerRow = (made: typeof timer) => ({ ...timerRows.timerKeys(made), ...timerRows.timerCells(made) });
const TIMER_BATCH = batchIdOf(timer);
const emptyRun = newTimerRun(TIMER_BATCH);
const fullRun = {
  ...emptyRun,
  ...{ currentJobId: JOB_ID, fence: 7, waitingJobIds: [JOB_ID], coveredUpTo: AT, overtakenTicks: [AT] },
  ...{ lastScheduledAt: AT, skippedCount: 1, lastSkippedAt: AT, missedCount: 2, lastMissedAt: AT, missedTicks: [AT] },
  missedNotice: { from: 0, to: 2, at: AT, isMade: true },
};
const runRow = (run: typeof emptyRun) => ({ ...timerRows.timerRunKeys(run.batchId), ...timerRows.timerRunCells(run) });

const LINE = { tenantName: "acme", kind: "concurrency", jobType: "CallApi", key: "customer-7" } as const;
const lineRow = (head: LineHead) => ({
  ...{ partitionKey: lineRows.linePartition(LINE), rowKey: lineRows.HEAD },
  ...lineRows.lineHeadCells(LINE, head),
});
const placeRow = (place: Place) => lineRows.placeRows(LINE, place)[0]!;

const worker = builders.workerOf({ startedAt: AT, heartbeatAt: AT });
const workerRow = (made: typeof worker) => ({ ...workerKeys(made), ...workerCells(made) });
const webhook = builders.webhookOf({ webhookId: "0011223344556677" });
const rotated = {
  ...webhook,
  enabled: false,
  disabledBecause: "gone",
  secrets: [{ value: "whsec_eA==", validUntil: AT }],
};
const webhookRow = (made: typeof webhook) => ({
  ...webhookRows.webhookKeys(made.tenantName, made.webhookName),
  ...webhookRows.webhookCells(made),
});
const delivery = builders.deliveryOf(webhook, { key: "0a", messageId: "msg_1", batchId: BATCH_ID, nextTryAt: AT });
const tried = { ...delivery, tries: 2, triedAt: AT, answerCode: 500, answer: "no", error: "refused" };
const deliveryRow = (made: typeof delivery) => ({
  ...webhookRows.waitingKeys(made),
  ...webhookRows.deliveryCells(made),
});
const key = { key: "order-7", id: JOB_ID, requestHash: HASH, createdAt: AT };
const grant = { tenantName: "acme", principalId: PRINCIPAL, name: "ada", grantedAt: AT, grantedBy: "tester" };

const manifest: Manifest = {
  ...{ manifestVersion: 1, name: "sample", version: "1.2.3", platform: { os: "linux", arch: "x64", libc: "glibc" } },
  jobs: [
    {
      ...{ jobType: "Module", entry: { kind: "module", file: "main.mjs", export: "run" }, isolation: "reuse" },
      ...{ retry: DEFAULT_RETRY, timeoutMs: 60_000, idleTimeoutMs: 30_000, memoryMb: 512 },
    },
    { jobType: "Command", entry: { kind: "command", command: "bin/run.sh", args: ["{parametersFile}"] } },
  ],
  timers: [
    {
      ...{
        timerName: "Module",
        cron: "0 * * * * *",
        timeZone: "Europe/Amsterdam",
        misfire: { all: 3 },
        overlap: "queue",
      },
      ...{ graceSeconds: 60, runOnDeploy: true, pool: "default", priority: "low" },
    },
  ],
  settings: [
    { name: "SMTP_HOST", optional: true, default: "localhost", description: "Where mail is sent from." },
    { name: "API_KEY", secret: true },
  ],
  tokenAudiences: ["https://management.azure.com"],
};

const declared = [
  { name: "API_KEY", secret: true, required: true },
  { name: "SMTP_HOST", secret: false, required: false },
];
const setting = {
  ...{ tenantName: "acme", packageName: "mail.zip", name: "SMTP_HOST", version: 3, setAt: AT, setBy: "ada" },
  ...{ value: "mail.example.com", secretId: undefined },
};
const secret = { ...setting, name: "API_KEY", value: undefined, secretId: "jobyard-5b0c9a52" };
const settingRow = (made: typeof setting | typeof secret) => ({
  ...settingRows.settingKeys(made),
  ...settingRows.settingCells(made),
});

const identity = {
  ...{ tenantName: "acme", pool: "default", audiences: ["https://management.azure.com"] },
  ...{ grantedAt: AT, grantedBy: "ada" },
};

const audited: AuditEntry = {
  ...{ tenantName: "acme", at: AT, entryId: "00ff00ff00ff00ff", operation: "putGrant", outcome: "failed" },
  ...{ code: "StorageUnavailable", actor: "Ada", actorId: "11111111-2222-4333-8444-555555555555", actorKind: "user" },
  ...{ from: "192.0.2.7", requestId: "r-1", subject: { tenantName: "acme" } },
  ...{ before: { access: "read" }, after: { access: "manage", version: 2, secret: true } },
};

const quota: TenantQuota = {
  ...{ tenantName: "acme", jobsPerDay: 1_000, storedBytes: 5_000_000_000, setAt: AT, setBy: "ada" },
  ...{ day: "2026-03-01", jobsTaken: 20, storedNow: 4_000_000_000, storedAt: AT },
  full: QUOTA_NAMES.map((name) => ({ quota: name, day: "2026-03-01", at: AT, limit: 5, used: 6, isMade: false })),
};

const quotaRow = (one: TenantQuota) => ({ ...quotaRows.quotaKeys(one), ...quotaRows.quotaCells(one) });

const auditRow = (entry: AuditEntry) => ({ ...auditRows.auditKeys(entry), ...auditRows.auditCells(entry) });
const actionOf = (kind: ActionKind): JobAction => ({
  ...{ actionId: BATCH_ID, tenantName: "acme", kind, tags: ["a"], dryRun: true },
  ...(kind === "reschedule" && { runAt: AT }),
  filter: {
    state: kind === "tag" ? ["failed", "canceled"] : "failed",
    delayed: true,
    jobType: "Echo",
    tag: "b",
    batchId: BATCH_ID,
    since: AT,
    until: AT,
  },
  state: ACTION_STATES[ACTION_KINDS.indexOf(kind)] ?? "done",
  counts: { matched: 4, done: 1, refused: 1, failed: 1 },
  ...{ position: JOB_ID, cancelWanted: true, startedAt: AT, startedBy: "ada", endedAt: AT },
});

const eventJob = { jobId: JOB_ID, jobName: "echo", jobType: "Echo", ring: 2, executions: 1 };
const endedJob = { ...eventJob, state: "failed", claimId: "c-1", failure, artifactCount: 2, endedAt: AT } as const;
const eventMessage = ({ id, event }: events.PublishedEvent) => ({
  ...{ messageId: id, subject: event.eventType, body: event },
  applicationProperties: events.applicationPropertiesOf(event),
});

/** What a worker that died has left on its disk. */
function journalText(): string {
  const directory = mkdtempSync(join(tmpdir(), "jobyard-journal-"));
  try {
    const journal = openClaimJournal(directory, "b-1");
    for (const claimId of ["c-1", "c-2"])
      journal.begin({ claimId, jobId: JOB_ID, queue: claim.queue, sequenceNumber: "42" });
    journal.end("c-1");
    return readFileSync(join(directory, "claims-b-1.log"), "utf8");
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function counterRow(): Promise<unknown> {
  // A writer's first write to a partition reads nothing.
  const { action } = await createWriterCounter({} as TableAccess, `${BATCH_ID}.00`, "w-1").add(counts, 6);
  return action[1];
}

const message = (written: unknown): unknown => {
  const parsed = parseMessage(written);
  return parsed.kind === "bell" || parsed.kind === "tick" ? parsed : undefined;
};

const PAUSED: Readonly<Record<PausedSubject["kind"], PausedSubject>> = {
  erasure: { kind: "erasure", tenantName: "acme" },
  tenant: { kind: "tenant", tenantName: "acme" },
  type: { kind: "type", tenantName: "acme", jobType: "Thumbnails" },
  pool: { kind: "pool", pool: "default" },
  queue: { kind: "queue", pool: "default", priority: "low" },
};

function pauseRow(kind: PausedSubject["kind"]) {
  const reason = kind === "tenant" ? "Unpaid." : undefined;
  const pause: Pause = { subject: PAUSED[kind], pausedAt: AT, pausedBy: "ada", reason };
  return { ...pauseRows.pauseKeys(pause.subject), ...pauseRows.pauseCells(pause) };
}

export const formatSamples = async (): Promise<Readonly<Record<FormatName, FormatSamples>>> => ({
  bell: { written: { full: bellOf(fullJob, ETAG), bare: bellOf(bareJob, ETAG) }, read: message },
  tick: { written: { plain: outgoingTick(timer, scheduleHashOf(timer), AT).tick }, read: message },
  event: {
    written: {
      queued: eventMessage(events.jobQueuedEvent({ ...eventJob, runAt: AT }, AT)),
      started: eventMessage(events.jobStartedEvent(eventJob, entry(1, undefined))),
      progressed: eventMessage(
        events.jobProgressedEvent(eventJob, entry(1, undefined), { fraction: 0.5, text: "half" }, 1, AT),
      ),
      retrying: eventMessage(events.jobRetryingEvent({ ...eventJob, runAt: AT }, failure, AT)),
      interrupted: eventMessage(events.jobRetryingEvent({ ...eventJob, runAt: undefined }, undefined, AT)),
      ended: eventMessage(events.jobCompletedEvent(endedJob)),
      batchEnded: eventMessage(events.batchCompletedEvent(batch, AT)),
    },
    read: (written) => {
      const parsed = events.parseEvent((written as { readonly body: unknown }).body);
      return parsed.ok ? parsed.event : undefined;
    },
  },
  manifest: {
    written: {
      full: checkManifest(manifest),
      bare: checkManifest({
        ...manifest,
        ...{ version: undefined, timers: undefined, settings: undefined, tokenAudiences: undefined },
      }),
    },
    read: (written) => parseAcceptedManifest(Buffer.from(JSON.stringify(written))),
  },
  packageFacts: {
    written: {
      full: metadataOf({ sha256: HASH, uploadedBy: "Ada Ü", jobTypes: ["A", "B"], timerCount: 2, settings: declared }),
    },
    read: (written) => factsOf(written as Record<string, string>),
  },
  releasePointer: {
    written: { plain: { version: "2026.3.1", blob: "worker/1.tgz", sha256: HASH } },
    read: (written) => parseReleasePointer(JSON.stringify(written)),
  },
  claimJournal: { written: { plain: journalText() }, read: (written) => leftIn([written as string]).held },
  job: row(jobOf, {
    full: jobRow(fullJob),
    unique: jobRow({ ...bareJob, uniqueKey: "customer-7" }),
    ...each(JOB_STATES, (state) => jobRow({ ...bareJob, state })),
    ...each(PRIORITIES, (priority) => jobRow({ ...bareJob, priority })),
  }),
  counter: row(countsOf, { plain: await counterRow() }),
  batch: row(batchOf, {
    full: batchRow(batch),
    forgotten: batchRow({ ...batch, unannounced: [], forgetAt: AT, forgottenAt: AT, frozenCounts: counts }),
    ...each(BATCH_STATES, (state) => batchRow({ ...batch, state, completedAt: undefined, unannounced: [] })),
    ...each(PRIORITIES, (priority) => batchRow({ ...batch, priority })),
  }),
  timer: row(timerRows.timerOf, {
    paused: timerRow({ ...timer, pausedAt: AT, pausedBy: "ada", runOnDeploy: true, misfire: { all: 3 } }),
    overridden: timerRow({
      ...timer,
      override: { declaredCron: timer.cron, declaredTimeZone: timer.timeZone, setAt: AT, setBy: "ada" },
    }),
    ...each(["skip", "queue", "allow"] as const, (overlap) => timerRow({ ...timer, overlap })),
    ...each(["once", "skip"] as const, (misfire) => timerRow({ ...timer, misfire })),
    ...each(PRIORITIES, (priority) => timerRow({ ...timer, priority })),
  }),
  timerRun: row((cells) => timerRows.timerRunOf(TIMER_BATCH, cells), {
    full: runRow(fullRun),
    empty: runRow(emptyRun),
  }),
  line: row(lineRows.lineHeadOf, {
    full: lineRow({ max: 3, era: 1, nextTicket: 12, taken: [[AT.getTime(), 2]] }),
    empty: lineRow(NEW_LINE),
  }),
  place: row(lineRows.placeOf, {
    waits: placeRow({ ticket: 1, jobId: JOB_ID, ring: 1, waits: true }),
    starts: placeRow({ ticket: 2, jobId: JOB_ID, ring: 2, waits: false }),
  }),
  worker: row(workerOf, {
    full: workerRow({ ...worker, claims: ["c-1"], cancel: [{ jobId: JOB_ID, claimId: "c-1" }], drain: true }),
    ...each(WORKER_STATES, (state) => workerRow({ ...worker, state })),
    protected: workerRow({ ...worker, isProtected: true }),
  }),
  key: row(
    keyOf,
    each(KEY_KINDS, (kind) => ({ ...keyKeys("acme", { ...key, kind }), ...keyCells({ ...key, kind }) })),
  ),
  tenant: row(tenantOf, {
    plain: { ...tenantKeys("acme"), ...tenantCells({ tenantName: "acme", createdAt: AT, createdBy: "ada" }) },
    weighted: {
      ...tenantKeys("acme"),
      ...tenantCells({ tenantName: "acme", createdAt: AT, createdBy: "ada", weight: 3 }),
    },
  }),
  grant: row(
    grantOf,
    each(TENANT_ACCESS, (access) => ({ ...grantKeys(grant), ...grantCells({ ...grant, access }) })),
  ),
  erasure: row(
    erasureRows.erasureOf,
    each(ERASURE_STATES, (state) => ({
      ...erasureRows.erasureKeys("acme"),
      ...erasureRows.erasureCells({ ...erasure, state, endedAt: state === "done" ? AT : undefined }),
    })),
  ),
  retention: row(retentionRows.retentionOf, {
    plain: { ...retentionRows.retentionKeys("acme"), ...retentionRows.retentionCells(retention) },
  }),
  runningLimit: row(pauseRows.runningLimitOf, {
    plain: {
      ...pauseRows.runningLimitKeys({ tenantName: "acme" }),
      ...pauseRows.runningLimitCells({ tenantName: "acme", max: 3, setAt: AT, setBy: "ada" }),
    },
  }),
  webhook: row(webhookRows.webhookOf, {
    alerts: webhookRow({ ...webhook, events: [...WEBHOOK_EVENTS] }),
    plain: webhookRow(webhook),
    rotated: webhookRow(rotated),
  }),
  setting: row(settingRows.settingOf, { plain: settingRow(setting), secret: settingRow(secret) }),
  action: row(
    actionRows.actionOf,
    each(ACTION_KINDS, (kind) => ({ ...actionRows.actionKeys(BATCH_ID), ...actionRows.actionCells(actionOf(kind)) })),
  ),
  indexEntry: row(
    storedEntryOf,
    Object.fromEntries(
      entriesOf({ jobId: JOB_ID, facts: fullJob, from: undefined, to: "queued", runAt: AT }).map(({ keys, cells }) => [
        keys.partitionKey,
        { ...keys, ...cells },
      ]),
    ),
  ),
  identityGrant: row(identityRows.identityGrantOf, {
    plain: { ...identityRows.identityGrantKeys(identity), ...identityRows.identityGrantCells(identity) },
  }),
  sweepNote: row(sweepNoteOf, { plain: { ...SWEEP_NOTE_KEYS, ...sweepNoteCells({ sweptAt: AT, sweptBy: "api-1" }) } }),
  quota: row(quotaRows.quotaOf, {
    full: quotaRow(quota),
    bare: quotaRow({
      ...quota,
      jobsPerDay: undefined,
      storedBytes: undefined,
      storedNow: undefined,
      storedAt: undefined,
      full: undefined,
    }),
  }),
  uniqueKey: row(uniqueRows.uniqueHoldOf, {
    plain: {
      ...uniqueRows.uniqueKeys({ ...bareJob, uniqueKey: "customer-7" }),
      ...uniqueRows.uniqueCells({ jobId: JOB_ID, placed: true, heldAt: AT }),
    },
  }),
  audit: row(auditRows.auditEntryOf, {
    plain: auditRow(audited),
    bare: auditRow({
      ...{ ...audited, tenantName: undefined, code: undefined, actorId: undefined, actorKind: undefined },
      ...{ from: undefined, before: undefined, after: undefined },
    }),
    ...each(AUDIT_OUTCOMES, (outcome) => auditRow({ ...audited, outcome })),
  }),
  pause: row(
    pauseRows.pauseOf,
    each(["tenant", "type", "pool", "queue", "erasure"], (kind) => pauseRow(kind)),
  ),
  waitingNote: row(waitingRows.waitingNoteOf, {
    plain: {
      ...waitingRows.waitingKeys("jobs-default-normal", BATCH_ID),
      ...waitingRows.waitingCells({ queue: "jobs-default-normal", batchId: BATCH_ID, since: AT }),
    },
  }),
  delivery: row(webhookRows.webhookDeliveryOf, {
    tried: deliveryRow(tried),
    ofNoBatch: deliveryRow({ ...delivery, eventType: "timerMissed", batchId: undefined, generation: undefined }),
    ...each(DELIVERY_STATES, (state) => deliveryRow({ ...delivery, state, nextTryAt: undefined })),
  }),
});
