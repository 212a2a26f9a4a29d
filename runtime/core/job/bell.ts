/**
 * The message that says "look at this job": a doorbell, never the truth. It carries what a worker needs to claim and
 * start the job without reading its row first.
 */
import * as z from "zod";
import { FORMATS } from "../formats.ts";
import { parseJobId } from "./ids.ts";
import type { Job } from "./job.ts";
import { retryOverridesSchema } from "./retry.ts";

/** Version of the message body. A receiver gives back versions it does not know. */
export const BELL_VERSION = FORMATS.bell.version;

/** Fields of a later release are left out: the row has them. */
const startSchema = z.object({
  jobType: z.string(),
  jobName: z.string(),
  jobProcessorPackageName: z.string(),
  /** JSON text; absent: read it from `job-input`. */
  parameters: z.string().optional(),
  retry: retryOverridesSchema,
  timeoutMs: z.number().optional(),
  /** ISO 8601; started later, the job fails instead. */
  expiresAt: z.iso.datetime().optional(),
  /** Limits hold for the job: its row is read, and it passes them, before it is claimed (R21). */
  concurrencyKey: z.string().optional(),
  rateKey: z.string().optional(),
  /** Of the request that submitted the job. */
  requestId: z.string().optional(),
  /** The batch must be reopened before the job is claimed (R13). */
  reopen: z.boolean().optional(),
  attempts: z.int(),
  interruptions: z.int(),
  executions: z.int(),
  /** Only those that have some. */
  tags: z.array(z.string()).optional(),
  /** The `traceparent` of the submit, and that of the attempt before. */
  trace: z.string().optional(),
  previousTrace: z.string().optional(),
});

const bellSchema = z.object({
  version: z.literal(BELL_VERSION),
  jobId: z.string().refine((id) => parseJobId(id) !== undefined, "not a job id"),
  ring: z.int().positive(),
  /** ETag of the row when the bell was made: lets the receiver claim without a read. */
  etag: z.string(),
  /** The time that the job was given by its rate limit (R29). The message is not delivered before. */
  rateTime: z.iso.datetime().optional(),
  start: startSchema,
});

/** What a worker needs to start the job, taken from its row. */
export type StartData = Readonly<z.infer<typeof startSchema>>;
export type Bell = Readonly<z.infer<typeof bellSchema>>;

/** R1: never reused, because the ring grows at every return to queued, and rows outlive the broker's memory (A6). */
export const bellMessageId = (jobId: string, ring: number): string => `${jobId}:${ring}`;

export function startDataOf(job: Job): StartData {
  const previousTrace = job.history.at(-1)?.trace;
  return {
    jobType: job.jobType,
    jobName: job.jobName,
    jobProcessorPackageName: job.jobProcessorPackageName,
    ...(job.parameters === undefined ? {} : { parameters: job.parameters }),
    retry: job.retry,
    ...(job.timeoutMs === undefined ? {} : { timeoutMs: job.timeoutMs }),
    ...(job.expiresAt && { expiresAt: job.expiresAt.toISOString() }),
    ...(job.concurrencyKey !== undefined && { concurrencyKey: job.concurrencyKey }),
    ...(job.rateKey !== undefined && { rateKey: job.rateKey }),
    ...(job.requestId !== undefined && { requestId: job.requestId }),
    ...(job.reopen && { reopen: true }),
    attempts: job.attempts,
    interruptions: job.interruptions,
    executions: job.executions,
    ...(job.tags !== undefined && { tags: [...job.tags] }),
    ...(job.trace !== undefined && { trace: job.trace }),
    ...(previousTrace !== undefined && { previousTrace }),
  };
}

/** The bell for a queued row. */
export const bellOf = (job: Job, etag: string): Bell => ({
  version: BELL_VERSION,
  jobId: job.jobId,
  ring: job.ring,
  etag,
  start: startDataOf(job),
});

export type BellParse = { readonly ok: true; readonly bell: Bell } | { readonly ok: false; readonly reason: string };

/** Reads a message body; a malformed one yields a reason fit for the dead-letter queue. */
export function parseBell(body: unknown): BellParse {
  const parsed = bellSchema.safeParse(body);
  if (parsed.success) return { ok: true, bell: parsed.data };
  const issue = parsed.error.issues[0];
  return { ok: false, reason: `Malformed message: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`.trim() };
}
