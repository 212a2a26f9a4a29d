/**
 * How long what is left of jobs is kept, and when each part of it is due to be removed. Decisions without I/O.
 *
 * A row may go only when nothing can meet it again (R45, R46, A6): it has ended, no repeat of its submit is remembered
 * any more, and its timer does not name it.
 */
import { IDEMPOTENCY_KEY_DAYS, ROW_MIN_DAYS } from "../limits.ts";
import type { Batch, Job } from "./job.ts";
import { dayOfDefaultBatch, jobTime, isTimerBatch } from "./ids.ts";
import { isComplete } from "./completion.ts";
import { TERMINAL_STATES, type TerminalState, isTerminal } from "./states.ts";

/** Days after the end of a job. 0: for ever. */
export interface OutcomeRetention {
  /** The row with parameters, output, failure and history. */
  readonly rowDays: number;
  readonly logDays: number;
  /** Artifacts. */
  readonly fileDays: number;
}

export interface Retention extends Readonly<Record<TerminalState, OutcomeRetention>> {
  /** Days after the message came into its queue. 0: as long as the rows of failed jobs. */
  readonly deadLetterDays: number;
}

/** A tenant's own retention, as it was set. */
export interface TenantRetention extends Retention {
  readonly tenantName: string;
  readonly changedAt: Date;
  readonly changedBy: string;
}

export interface RetentionDefaults extends OutcomeRetention {
  readonly deadLetterDays: number;
}

/** The same for every outcome. */
export const retentionOf = ({ deadLetterDays, ...days }: RetentionDefaults): Retention => ({
  succeeded: days,
  failed: days,
  canceled: days,
  deadLetterDays,
});

const DAY_MS = 24 * 60 * 60_000;

const daysAfter = (at: Date, days: number): Date => new Date(at.getTime() + days * DAY_MS);
const later = (a: Date, b: Date): Date => (a > b ? a : b);
const earlier = (a: Date, b: Date): Date => (a < b ? a : b);

/** When parts of an ended job are due to be removed. The parts go with the row, if not before. */
export interface Due {
  readonly logsAt: Date;
  readonly filesAt: Date;
  readonly rowAt: Date;
}

/** Later than any time: the part is kept for ever. */
export const NEVER = new Date("9999-12-31T00:00:00Z");

/**
 * Undefined: the job has not ended, so nothing of it may go (R45). `isNamed`: its timer's row names it, so the row stays
 * however old it is: it is what the timer shows as its latest run.
 */
export function dueOf(
  job: Pick<Job, "state" | "endedAt" | "submittedAt">,
  retention: Retention,
  isNamed = false,
): Due | undefined {
  if (!isTerminal(job.state)) return undefined;
  const endedAt = job.endedAt ?? job.submittedAt;
  const { rowDays, logDays, fileDays } = retention[job.state];
  const after = (days: number): Date => (days === 0 ? NEVER : daysAfter(endedAt, days));
  // R46: while an idempotency key can name the job, a repeat would insert its row again.
  const rowAt = isNamed || rowDays === 0 ? NEVER : later(after(rowDays), daysAfter(job.submittedAt, ROW_MIN_DAYS));
  return { rowAt, logsAt: earlier(after(logDays), rowAt), filesAt: earlier(after(fileDays), rowAt) };
}

/** R46: older than every key that can name it. A clock may be wrong by a few minutes, so a day is left. */
const FORGETTABLE_MS = (IDEMPOTENCY_KEY_DAYS + (ROW_MIN_DAYS - IDEMPOTENCY_KEY_DAYS) / 2) * DAY_MS;

/**
 * Whether the job is so old that its row may have been removed. A bell that finds no row of such a job means nothing
 * (R47); for a younger job it means that the table has lost the row.
 */
export const mayBeForgotten = (jobId: string, now: Date): boolean =>
  now.getTime() - jobTime(jobId).getTime() > FORGETTABLE_MS;

/** When a dead letter is due to be removed: with the rows of failed jobs, if not before. */
export function letterDueAt(enqueuedAt: Date, { deadLetterDays, failed }: Retention): Date {
  const limits = [deadLetterDays, failed.rowDays].filter((days) => days > 0);
  return limits.length === 0 ? NEVER : daysAfter(enqueuedAt, Math.min(...limits));
}

/** Whether it is the batch that jobs without a batch joined on a day that is long over. */
export function isPastDayBatch(batchId: string, now: Date): boolean {
  const day = dayOfDefaultBatch(batchId);
  return day !== undefined && now.getTime() - day.getTime() > 2 * DAY_MS;
}

/**
 * Whether ended jobs of the batch may go. A batch that is open, or not complete, or that owes webhooks a message keeps all
 * its jobs. The batches of timers and of past days are open for ever: their jobs go by age.
 */
export const mayLoseJobs = (batch: Batch, now: Date): boolean =>
  batch.unannounced.length === 0 &&
  batch.failureNotice?.isMade !== false &&
  (isTimerBatch(batch.batchId) || isPastDayBatch(batch.batchId, now) || (batch.state !== "open" && isComplete(batch)));

/** When the row of a complete batch without jobs is due (R49). A timer's batch stays: its counts are those of the timer. */
export function batchDueAt(batch: Batch, retention: Retention): Date {
  if (isTimerBatch(batch.batchId) || batch.state === "open" || !isComplete(batch)) return NEVER;
  const days = TERMINAL_STATES.map((state) => retention[state].rowDays).filter((count) => count > 0);
  if (days.length === 0) return NEVER;
  return daysAfter(later(batch.completedAt ?? batch.createdAt, batch.createdAt), Math.max(ROW_MIN_DAYS, ...days));
}

/** Each batch is looked through at most this often, and a timer's at least twice as rarely: a look reads all rows. */
const LOOK_AGAIN_MS = 12 * 60 * 60_000;

/** When the batch is to be looked through again: when the first of its parts is due. */
export function nextLookAt(batch: Batch, firstDueAt: Date, now: Date): Date {
  const soonest = new Date(now.getTime() + LOOK_AGAIN_MS);
  // New jobs can come into an open batch without a word.
  const latest = batch.state === "open" ? new Date(now.getTime() + 2 * LOOK_AGAIN_MS) : NEVER;
  return later(soonest, earlier(firstDueAt, latest));
}

/** Whether a look can find something to do. `changedAt`: when the retention was set last. */
export const isLookDue = (
  { forgetAt, forgottenAt }: Pick<Batch, "forgetAt" | "forgottenAt">,
  changedAt: Date | undefined,
  now: Date,
): boolean =>
  forgetAt === undefined ||
  forgottenAt === undefined ||
  forgetAt <= now ||
  (changedAt !== undefined && changedAt >= forgottenAt);

/** Whether a part became due since the last look, so that it is still there. */
export const isFreshlyDue = (
  at: Date,
  { forgottenAt }: Pick<Batch, "forgottenAt">,
  changedAt: Date | undefined,
  now: Date,
): boolean =>
  at <= now && (forgottenAt === undefined || at > forgottenAt || (changedAt !== undefined && changedAt >= forgottenAt));

/** Whether anything is ever removed. */
export const keepsAll = (retention: Retention): boolean =>
  TERMINAL_STATES.every((state) => Object.values(retention[state]).every((days: number) => days === 0));
