/**
 * What the web API answers: jobs and batches as callers see them. The schemas are the API's promise and become its
 * document; types are inferred from them. Instants are ISO 8601 in UTC.
 */
import * as z from "zod";
import { NOTHING_PAUSED, type PauseSet, waitsForPause } from "../admission/pause.ts";
import { isComplete } from "../job/completion.ts";
import { BATCH_STATES, type Batch, type Job } from "../job/job.ts";
import { subjectOf } from "../job/message.ts";
import type { PeekedMessage } from "../ports/job-queue.ts";
import type { Page } from "../ports/stored.ts";
import { PRIORITIES } from "../job/priority.ts";
import { JOB_STATES, totalOf, type StateCounts } from "../job/states.ts";

/** Read-only through and through. */
export type Frozen<T> = T extends (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;

const instant = z.iso.datetime();
const count = z.int().min(0);

export const jobStateSchema = z.enum(JOB_STATES).meta({ id: "JobState", description: "Where a job stands." });

export const prioritySchema = z.enum(PRIORITIES).meta({ id: "Priority", description: "Higher ones start first." });

const progressSchema = z
  .object({
    fraction: z.number().optional().meta({ description: "0 to 1, when the job knows." }),
    text: z.string().optional(),
  })
  .meta({ id: "Progress" });

const failureSchema = z
  .object({
    code: z.string(),
    message: z.string(),
    attempt: z.int().meta({ description: "The attempt that failed, from 1." }),
    failedAt: instant,
    retryable: z.boolean().meta({ description: "Whether another attempt could have helped." }),
    stack: z.string().optional().meta({
      description: "Where the job's code threw: a frame in each line, with the file and line of the source.",
    }),
  })
  .meta({
    id: "Failure",
    description: "The failure a job ended with; of a canceled run of a timer, why it was left out.",
  });

const historyEntrySchema = z
  .object({
    execution: z.int().meta({ description: "Counts starts over the life of the job, from 1." }),
    attempt: z
      .int()
      .meta({ description: "Counts tries by the job's own failures; an interrupted try keeps its number." }),
    workerId: z.string(),
    claimId: z.string(),
    startedAt: instant,
    endedAt: instant.optional().meta({ description: "Absent while it runs, or when its worker died." }),
    outcome: z.enum(["succeeded", "failed", "canceled", "interrupted"]).optional(),
    code: z.string().optional().meta({
      description:
        "Of a failed attempt its failure's code; of an interrupted one what was at fault, such as ENOSPC, if it is known.",
    }),
  })
  .meta({ id: "HistoryEntry", description: "One start of a job." });

export const jobViewSchema = z
  .object({
    jobId: z.string(),
    batchId: z.string(),
    tenantName: z.string(),
    clientJobId: z.string().optional().meta({ description: "The submitter's own id." }),
    jobType: z.string(),
    jobName: z.string(),
    jobProcessorPackageName: z.string(),
    tags: z.array(z.string()).optional().meta({ description: "Its own and those of its batch. Absent: none." }),
    originJobId: z.string().optional().meta({ description: "The job that was submitted again as this one." }),
    parameters: z.unknown().optional().meta({
      description: "As submitted. Lists leave out those too large to be kept beside the job.",
    }),
    priority: prioritySchema,
    pool: z.string(),
    state: jobStateSchema,
    concurrencyKey: z.string().optional().meta({
      description:
        "Its key for the `limits.concurrency` of its type; `*` where that has no key. Absent: no such limit.",
    }),
    rateKey: z.string().optional().meta({ description: "As `concurrencyKey`, for `limits.rate`." }),
    attempts: count.meta({ description: "Tries begun, not counting those interrupted by us." }),
    interruptions: count.meta({ description: "Tries that ended with their worker." }),
    cancelWanted: z.boolean().meta({ description: "Its worker has been asked to end it." }),
    submittedAt: instant,
    submittedBy: z.string(),
    requestId: z
      .string()
      .optional()
      .meta({ description: "The request that submitted it. Finds its lines in the log." }),
    waitsFor: z
      .string()
      .optional()
      .meta({
        description:
          "Of a queued job that may not start now: what holds it, such as `paused: tenant acme` or " +
          "`limit: concurrency, key customer-7`. Lists leave out limits.",
      }),
    uniqueKey: z
      .string()
      .optional()
      .meta({ description: "Only one job of its type with this key is queued or running." }),
    runAt: instant.optional().meta({ description: "When a delayed or retried job will be started." }),
    expiresAt: instant.optional().meta({ description: "Not started by then, it fails instead." }),
    startedAt: instant.optional().meta({ description: "Of the latest attempt." }),
    endedAt: instant.optional().meta({ description: "Of the latest attempt." }),
    workerId: z.string().optional(),
    progress: progressSchema.optional(),
    output: z.unknown().optional().meta({ description: "What the job returned." }),
    artifactCount: count,
    failure: failureSchema.optional(),
    packageHash: z.string().optional().meta({
      description: "SHA-256 of the package version the latest attempt used.",
    }),
    history: z.array(historyEntrySchema).meta({ description: "Every start, oldest first, the latest 100." }),
  })
  .meta({ id: "Job", description: "One request for work, and what became of it." });

export type JobView = Frozen<z.infer<typeof jobViewSchema>>;

const jobCountsSchema = z
  .object({ queued: count, running: count, succeeded: count, failed: count, canceled: count, total: count })
  .meta({ id: "JobCounts", description: "Jobs per state, exact." });

export const batchViewSchema = z
  .object({
    batchId: z.string(),
    tenantName: z.string(),
    batchName: z.string(),
    priority: prioritySchema.meta({ description: "Of jobs that name none." }),
    pool: z.string().meta({ description: "The workers that run it." }),
    state: z.enum(BATCH_STATES).meta({
      id: "BatchState",
      description: "`open` accepts jobs; `closed` accepts no more and finishes those it has; `canceled` ends them.",
    }),
    generation: z.int().meta({ description: "Grows when a complete batch gets work again by a requeue." }),
    completedAt: instant.optional().meta({
      description: "When the last job of this generation ended. Absent: not yet, or the batch is open.",
    }),
    createdAt: instant,
    createdBy: z.string(),
    tags: z.array(z.string()).optional().meta({ description: "Its jobs get them when they are submitted." }),
    waitsFor: z.string().optional().meta({
      description:
        "What holds all its queued jobs, such as `paused: tenant acme`. Absent: nothing, or only some of them.",
    }),
    counts: jobCountsSchema.optional().meta({ description: "Left out of lists." }),
  })
  .meta({ id: "Batch", description: "Jobs of one tenant that are counted, closed and canceled together." });

export type BatchView = Frozen<z.infer<typeof batchViewSchema>>;

export const deadLetterViewSchema = z
  .object({
    queue: z.string(),
    sequenceNumber: z.string().meta({ description: "Names the letter within its queue." }),
    jobId: z
      .string()
      .optional()
      .meta({ description: "Absent: the message is none of ours. Of the tick of a timer, the run it stands for." }),
    jobType: z.string().optional(),
    messageId: z.string(),
    reason: z.string().optional(),
    description: z.string().optional(),
    enqueuedAt: instant.meta({ description: "When the message was sent, or became due." }),
  })
  .meta({
    id: "DeadLetter",
    description: "A message the broker has set aside: the record of a job that failed, or one no worker could read.",
  });

export type DeadLetterView = Frozen<z.infer<typeof deadLetterViewSchema>>;

export const artifactSchema = z
  .object({
    path: z.string().meta({ description: "Relative, with forward slashes." }),
    bytes: count,
  })
  .meta({ id: "Artifact", description: "A file a job left behind." });

export type ArtifactView = Frozen<z.infer<typeof artifactSchema>>;

/** A page of a list; `id` names it in the document. */
export const pageSchema = <T extends z.ZodType>(id: string, item: T) =>
  z
    .object({
      items: z.array(item),
      continuationToken: z.string().optional().meta({
        description: "Hand it back to get the next page. Absent on the last one.",
      }),
    })
    .meta({ id });

/** What became of one item among many: its error stands in its place. */
export const itemErrorSchema = z.object({ code: z.string(), message: z.string() }).meta({ id: "ItemError" });

export type ItemError = Frozen<z.infer<typeof itemErrorSchema>>;

export const submittedSchema = z.object({ jobId: z.string(), batchId: z.string() }).meta({ id: "SubmittedJob" });

/** The result of one job among many, which has no HTTP status of its own. */
const submittedItemSchema = submittedSchema
  .extend({
    replayed: z.literal(true).optional().meta({ description: "A request that came before had submitted it." }),
  })
  .meta({ id: "SubmittedItem" });

export const submitResultSchema = z
  .union([submittedItemSchema, z.object({ error: itemErrorSchema }).meta({ id: "RefusedJob" })])
  .meta({ id: "SubmitResult" });

export type SubmitResult = Frozen<z.infer<typeof submitResultSchema>>;

/** A line of a streamed submit: a result, or the last line, which says why there are no more. */
export const submitLineSchema = z.union([
  submitResultSchema,
  z
    .object({
      error: itemErrorSchema.extend({
        retryable: z.boolean().meta({ description: "The request may be repeated as it is." }),
        requestId: z.string().meta({ description: "Tells it from the error of one job." }),
      }),
    })
    .meta({ id: "BrokenOff" }),
]);

export const submitResultsSchema = z
  .object({
    results: z.array(submitResultSchema).meta({ description: "One for each job, in the order of the request." }),
  })
  .meta({ id: "SubmitResults" });

export const requeueResultsSchema = z
  .object({
    results: z
      .array(
        z.union([
          z.object({ jobId: z.string(), state: jobStateSchema }).meta({ id: "RequeuedJob" }),
          z.object({ jobId: z.string(), error: itemErrorSchema }).meta({ id: "NotRequeuedJob" }),
        ]),
      )
      .meta({ description: "One for each id, in the order of the request." }),
  })
  .meta({ id: "RequeueResults" });

export type RequeueResult = Frozen<z.infer<typeof requeueResultsSchema>["results"][number]>;

export const requeuedSchema = z.object({ requeued: count }).meta({ id: "RequeuedCount" });

// --- From what is stored ---------------------------------------------------------------------------------------------

export const pageView = <T, V>({ items, continuationToken }: Page<T>, view: (item: T) => V) => ({
  items: items.map((item) => view(item)),
  ...(continuationToken === undefined ? {} : { continuationToken }),
});

export function deadLetterView(queue: string, letter: PeekedMessage): DeadLetterView {
  const { parsed, messageId, sequenceNumber, enqueuedAt, reason, description } = letter;
  const subject = subjectOf(parsed);
  return {
    queue,
    sequenceNumber,
    ...(subject && { jobId: subject.jobId }),
    ...(parsed.kind === "bell" && { jobType: parsed.bell.start.jobType }),
    ...(parsed.kind === "tick" && { jobType: parsed.tick.timerName }),
    messageId,
    ...(reason === undefined ? {} : { reason }),
    ...(description === undefined ? {} : { description }),
    enqueuedAt: enqueuedAt.toISOString(),
  };
}

export function jobView(job: Job, pauses: PauseSet = NOTHING_PAUSED): JobView {
  const pause = job.state === "queued" ? pauses.of(job) : undefined;
  const last = job.history.at(-1);
  return {
    jobId: job.jobId,
    batchId: job.batchId,
    tenantName: job.tenantName,
    ...(job.clientJobId !== undefined && { clientJobId: job.clientJobId }),
    jobType: job.jobType,
    jobName: job.jobName,
    jobProcessorPackageName: job.jobProcessorPackageName,
    ...(job.tags && { tags: job.tags }),
    ...(job.originJobId !== undefined && { originJobId: job.originJobId }),
    ...(job.parameters === undefined ? {} : { parameters: JSON.parse(job.parameters) as unknown }),
    priority: job.priority,
    pool: job.pool,
    state: job.state,
    ...(job.concurrencyKey !== undefined && { concurrencyKey: job.concurrencyKey }),
    ...(job.rateKey !== undefined && { rateKey: job.rateKey }),
    attempts: job.state === "queued" ? job.attempts : (last?.attempt ?? job.attempts),
    interruptions: job.interruptions,
    cancelWanted: job.cancelWanted,
    submittedAt: job.submittedAt.toISOString(),
    submittedBy: job.submittedBy,
    ...(job.requestId !== undefined && { requestId: job.requestId }),
    ...(pause && { waitsFor: waitsForPause(pause) }),
    ...(job.uniqueKey !== undefined && { uniqueKey: job.uniqueKey }),
    ...(job.runAt && { runAt: job.runAt.toISOString() }),
    ...(job.expiresAt && { expiresAt: job.expiresAt.toISOString() }),
    ...(job.startedAt && { startedAt: job.startedAt.toISOString() }),
    ...(job.endedAt && { endedAt: job.endedAt.toISOString() }),
    ...(job.claim && { workerId: job.claim.workerId }),
    ...(job.progress && { progress: job.progress }),
    ...(job.output === undefined ? {} : { output: JSON.parse(job.output) as unknown }),
    artifactCount: job.artifactCount,
    ...(job.failure && { failure: { ...job.failure, failedAt: job.failure.failedAt.toISOString() } }),
    ...(job.packageHash !== undefined && { packageHash: job.packageHash }),
    history: job.history.map(({ startedAt, endedAt, trace: _, ...entry }) => ({
      ...entry,
      startedAt: startedAt.toISOString(),
      ...(endedAt && { endedAt: endedAt.toISOString() }),
    })),
  };
}

export function batchView(batch: Batch, counts?: StateCounts, pauses: PauseSet = NOTHING_PAUSED): BatchView {
  const pause = isComplete(batch) ? undefined : pauses.ofTenant(batch.tenantName, batch.pool, batch.priority);
  return {
    batchId: batch.batchId,
    tenantName: batch.tenantName,
    batchName: batch.batchName,
    priority: batch.priority,
    pool: batch.pool,
    state: batch.state,
    generation: batch.generation,
    ...(batch.completedAt && { completedAt: batch.completedAt.toISOString() }),
    createdAt: batch.createdAt.toISOString(),
    createdBy: batch.createdBy,
    ...(batch.tags && { tags: batch.tags }),
    ...(pause && { waitsFor: waitsForPause(pause) }),
    ...(counts && { counts: { ...counts, total: totalOf(counts) } }),
  };
}
