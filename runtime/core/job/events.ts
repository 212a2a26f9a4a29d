/**
 * What happens to jobs and batches, as followers are told: the contract of topic `job-events`, of the event streams and of
 * the hub. Rows are the truth. An event may arrive twice or, after a crash, not at all; a follower that must not miss an
 * end also reads the row now and then.
 */
import * as z from "zod";
import { FORMATS } from "../formats.ts";
import { jobIdParts } from "./ids.ts";
import { BATCH_STATES, type Batch, type Failure, type HistoryEntry, type Job, type Progress } from "./job.ts";
import { JOB_STATES, TERMINAL_STATES, type TerminalState } from "./states.ts";

/** Version of the body. It grows when a field changes its meaning or is removed. New fields may be added at any time. */
export const EVENT_VERSION = FORMATS.event.version;

export const EVENT_TYPES = [
  "jobQueued",
  "jobStarted",
  "jobProgressed",
  "jobRetrying",
  "jobCompleted",
  "batchCompleted",
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** `terminal`: only `jobCompleted` and `batchCompleted`. */
export const EVENT_LEVELS = ["all", "terminal", "none"] as const;
export type EventLevel = (typeof EVENT_LEVELS)[number];

export const isPublishedAt = (level: EventLevel, eventType: EventType): boolean =>
  level === "all" || (level === "terminal" && (eventType === "jobCompleted" || eventType === "batchCompleted"));

// --- Bodies ----------------------------------------------------------------------------------------------------------

const instant = z.iso.datetime();

const common = {
  version: z.literal(EVENT_VERSION),
  /**
   * Grows with each event of one job, or of one batch. An event whose number is not greater than the last seen is
   * stale.
   */
  sequence: z.int().min(0),
  /** When it happened, by the clock of the process that did it. */
  at: instant,
  tenantName: z.string(),
  batchId: z.string(),
};

const aboutJob = { ...common, jobId: z.string(), jobName: z.string(), jobType: z.string() };

const failureSchema = z.object({
  code: z.string(),
  message: z.string(),
  attempt: z.int(),
  failedAt: instant,
  retryable: z.boolean(),
});

/** Counts tries by the job's own failures, from 1. */
const attempt = z.int().min(1);
/** Counts starts over the life of the job, from 1. */
const execution = z.int().min(1);

const jobQueuedSchema = z.object({
  ...aboutJob,
  eventType: z.literal("jobQueued"),
  status: z.enum(JOB_STATES),
  /** Not to be started before. */
  runAt: instant.optional(),
});

const jobStartedSchema = z.object({
  ...aboutJob,
  eventType: z.literal("jobStarted"),
  status: z.enum(JOB_STATES),
  attempt,
  execution,
  workerId: z.string(),
});

const jobProgressedSchema = z.object({
  ...aboutJob,
  eventType: z.literal("jobProgressed"),
  status: z.enum(JOB_STATES),
  attempt,
  execution,
  progress: z.object({ fraction: z.number().optional(), text: z.string().optional() }),
});

const jobRetryingSchema = z.object({
  ...aboutJob,
  eventType: z.literal("jobRetrying"),
  status: z.enum(JOB_STATES),
  /** The start that has ended. */
  execution,
  /** `interruption`: ended by us (drain, crash, eviction), at no cost to the job. */
  because: z.enum(["failure", "interruption"]),
  failure: failureSchema.optional(),
  runAt: instant.optional(),
});

const jobCompletedSchema = z.object({
  ...aboutJob,
  eventType: z.literal("jobCompleted"),
  status: z.enum(TERMINAL_STATES),
  /** 0: it ended without a start. */
  execution: z.int().min(0),
  failure: failureSchema.optional(),
  artifactCount: z.int().min(0),
});

const batchCompletedSchema = z.object({
  ...common,
  eventType: z.literal("batchCompleted"),
  /** Whether the batch was closed or canceled. */
  status: z.enum(BATCH_STATES),
  batchName: z.string(),
  /** A batch whose jobs are requeued completes again, as its next generation. */
  generation: z.int().min(1),
});

const jobEventSchema = z.discriminatedUnion("eventType", [
  jobQueuedSchema,
  jobStartedSchema,
  jobProgressedSchema,
  jobRetryingSchema,
  jobCompletedSchema,
]);

export const systemEventSchema = z.discriminatedUnion("eventType", [jobEventSchema, batchCompletedSchema]);

export type JobQueued = Readonly<z.infer<typeof jobQueuedSchema>>;
export type JobStarted = Readonly<z.infer<typeof jobStartedSchema>>;
export type JobProgressed = Readonly<z.infer<typeof jobProgressedSchema>>;
export type JobRetrying = Readonly<z.infer<typeof jobRetryingSchema>>;
export type JobCompleted = Readonly<z.infer<typeof jobCompletedSchema>>;
export type BatchCompleted = Readonly<z.infer<typeof batchCompletedSchema>>;
export type JobEvent = JobQueued | JobStarted | JobProgressed | JobRetrying | JobCompleted;
export type SystemEvent = JobEvent | BatchCompleted;

export type EventParse =
  { readonly ok: true; readonly event: SystemEvent } | { readonly ok: false; readonly reason: string };

/** Reads a message body. Fields it does not know are left out; versions and types it does not know are refused. */
export function parseEvent(body: unknown): EventParse {
  const parsed = systemEventSchema.safeParse(body);
  if (parsed.success) return { ok: true, event: parsed.data };
  const [issue] = parsed.error.issues;
  return { ok: false, reason: `${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`.trim() };
}

/** An event as it is sent. `id` is the broker's MessageId: a repeat of the same event has the same one. */
export interface PublishedEvent {
  readonly id: string;
  readonly event: SystemEvent;
}

/** For filters of subscriptions: the same names and values in every event that has them. */
export function applicationPropertiesOf(event: SystemEvent): Record<string, string> {
  const { eventType, tenantName, batchId, status } = event;
  return {
    EventType: eventType,
    TenantName: tenantName,
    BatchId: batchId,
    Status: status,
    ...("jobId" in event && { JobId: event.jobId, JobName: event.jobName, JobType: event.jobType }),
  };
}

// --- Order -----------------------------------------------------------------------------------------------------------

/** Events of one start; more than two a second over the longest a job may run. */
const NUMBERS_PER_STEP = 2 ** 21;
const LAST_NUMBER = NUMBERS_PER_STEP - 1;

/**
 * Neither number ever falls, and each write that makes a job start or wait again raises at least one. So every event of
 * an earlier start is below every event of a later one, whoever publishes it and however late: after a takeover, what a
 * worker that was given up for dead still says is stale.
 */
type Moment = Pick<Job, "ring" | "executions">;

const sequenceOf = ({ ring, executions }: Moment, number: number): number =>
  (ring + executions) * NUMBERS_PER_STEP + Math.min(number, LAST_NUMBER);

// --- Making them -----------------------------------------------------------------------------------------------------

/** The fields of a row that every event of a job needs. */
export interface EventJob extends Moment {
  readonly jobId: string;
  readonly jobName: string;
  readonly jobType: string;
}

const commonOf = ({ jobId, jobName, jobType }: EventJob, at: Date) => {
  const { tenantName, batchId } = jobIdParts(jobId);
  return { version: EVENT_VERSION, at: at.toISOString(), tenantName, batchId, jobId, jobName, jobType } as const;
};

/** An event is short: the row has the stack. */
const failureOf = ({ stack: _, ...failure }: Failure) => ({ ...failure, failedAt: failure.failedAt.toISOString() });

const published = (event: JobEvent): PublishedEvent => ({ id: `${event.jobId}:${event.sequence}`, event });

export function jobQueuedEvent(job: EventJob & Pick<Job, "runAt">, at: Date): PublishedEvent {
  return published({
    ...commonOf(job, at),
    eventType: "jobQueued",
    status: "queued",
    sequence: sequenceOf(job, 0),
    ...(job.runAt && { runAt: job.runAt.toISOString() }),
  });
}

/** `executions` of the job counts the start that is announced. */
export function jobStartedEvent(job: EventJob, entry: HistoryEntry): PublishedEvent {
  const { attempt, execution, workerId } = entry;
  return published({
    ...commonOf(job, entry.startedAt),
    ...{ eventType: "jobStarted", status: "running", attempt, execution, workerId },
    sequence: sequenceOf(job, 0),
  });
}

/** `number` counts the events of this start, from 1. */
export function jobProgressedEvent(
  job: EventJob,
  entry: HistoryEntry,
  progress: Progress,
  number: number,
  at: Date,
): PublishedEvent {
  const { attempt, execution } = entry;
  return published({
    ...commonOf(job, at),
    ...{ eventType: "jobProgressed", status: "running", attempt, execution, progress },
    // The last number is for the end.
    sequence: sequenceOf(job, Math.min(number, LAST_NUMBER - 1)),
  });
}

/** Of a job that waits again, under its new ring. `failure` given: its own; else we ended it. */
export function jobRetryingEvent(
  job: EventJob & Pick<Job, "runAt">,
  failure: Failure | undefined,
  at: Date,
): PublishedEvent {
  return published({
    ...commonOf(job, at),
    eventType: "jobRetrying",
    status: "queued",
    sequence: sequenceOf(job, 0),
    execution: job.executions,
    because: failure === undefined ? "interruption" : "failure",
    ...(failure && { failure: failureOf(failure) }),
    ...(job.runAt && { runAt: job.runAt.toISOString() }),
  });
}

/** The fields of a row that the event of a job's end needs. */
export interface EndedJob extends EventJob {
  readonly state: TerminalState;
  readonly claimId: string | undefined;
  readonly failure: Failure | undefined;
  readonly artifactCount: number;
  readonly endedAt: Date;
}

/** The same from every process that finds the job ended, so that the broker keeps one. */
export function jobCompletedEvent(job: EndedJob): PublishedEvent {
  const event: JobCompleted = {
    ...commonOf(job, job.endedAt),
    eventType: "jobCompleted",
    status: job.state,
    sequence: sequenceOf(job, LAST_NUMBER),
    execution: job.executions,
    artifactCount: job.artifactCount,
    ...(job.failure && { failure: failureOf(job.failure) }),
  };
  // A job that ends without ever being claimed has its ring, which no other end of it shares.
  return { id: `${job.jobId}:${job.claimId ?? `ring-${job.ring}`}:completed`, event };
}

export function batchCompletedEvent(
  batch: Batch,
  completedAt: Date,
): PublishedEvent & { readonly event: BatchCompleted } {
  const { tenantName, batchId, batchName, generation, state } = batch;
  const event: BatchCompleted = {
    ...{ version: EVENT_VERSION, at: completedAt.toISOString(), tenantName, batchId },
    ...{ eventType: "batchCompleted", status: state, batchName, generation },
    sequence: generation,
  };
  return { id: `${batchId}:${generation}:completed`, event };
}
