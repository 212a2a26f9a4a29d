/** Operations that submit jobs: one, or many. */
import type { Change } from "../../core/audit.ts";
import { invalidField } from "../../core/errors.ts";
import { SUBMIT_LINE_MAX_BYTES, SUBMIT_MAX_JOBS } from "../../core/limits.ts";
import {
  jobParams,
  jobRequestSchema,
  resubmitJobSchema,
  submitHeaders,
  submitJobsDocument,
  submitJobSchema,
  submitJobsSchema,
  submitLinesQuery,
} from "../../core/http/requests.ts";
import { type SubmitResult, submitLineSchema, submitResultsSchema, submittedSchema } from "../../core/http/views.ts";
import { isTimerBatch } from "../../core/job/ids.ts";
import type { Job } from "../../core/job/job.ts";
import type { BatchStore } from "../../core/ports/batch-store.ts";
import type { JobFiles } from "../../core/ports/job-files.ts";
import type { Lookup } from "../lookup.ts";
import { type FindBatch, batchClosed } from "../submit/find-batch.ts";
import { createBulkSubmit } from "../submit/bulk-submit.ts";
import { parseJobId } from "../../core/job/ids.ts";
import { batchLogFields } from "../../core/logger.ts";
import { addLogFields } from "../../platform/log-context.ts";
import type { Caller } from "../auth/caller.ts";
import { operation, type Operation } from "../http/operation.ts";
import { CREATED, REPLAYED, createdReply } from "./created-reply.ts";
import { LINES_MEDIA_TYPE } from "../http/reply.ts";
import { eitherBody, jsonBody, streamBody } from "../http/read-request.ts";
import type { SubmitJob } from "../submit/submit-job.ts";
import type { SubmitMany } from "../submit/submit-many.ts";

export interface SubmitOperationDeps {
  readonly submitJob: SubmitJob;
  readonly submitMany: SubmitMany;
  readonly findBatch: Pick<FindBatch, "named">;
  readonly lookup: Pick<Lookup, "job">;
  readonly batches: Pick<BatchStore, "get">;
  readonly files: Pick<JobFiles, "getParameters">;
}

export const submitOperations = (deps: SubmitOperationDeps): readonly Operation[] => [
  submitOne(deps),
  resubmitOne(deps),
  submitBulk(deps),
];

const submitOne = ({ submitJob }: SubmitOperationDeps) =>
  operation({
    id: "submitJob",
    audit: { none: "The job's row says who submitted it, when, and by which request." },
    method: "post",
    path: "/v1/jobs",
    tag: "Jobs",
    summary: "Submit a job",
    description:
      "A job without `batchId` goes to its tenant's batch of the day. With a `clientJobId` or an `Idempotency-Key` the " +
      "request can be repeated: a repeat answers the first job. The package must be published, have the job type " +
      "and take the parameters, if it has a schema of them, unless `publishLater` is set.",
    needs: "submit",
    headers: submitHeaders,
    body: jsonBody(submitJobSchema),
    responses: {
      201: { description: "The job is accepted.", schema: submittedSchema, headers: CREATED },
      200: { description: "The job an earlier request submitted.", schema: submittedSchema, headers: REPLAYED },
    },
    errors: [
      "BatchNotFound",
      "BatchClosed",
      "BatchOfTimer",
      "JobIdTaken",
      "JobNotUnique",
      "QuotaExceeded",
      "IdempotencyKeyReused",
      "PackageNotFound",
      "JobTypeUnknown",
      "ParametersInvalid",
      "SettingMissing",
      "TenantErasing",
    ],
    async handle({ caller, headers, body: { batchId, ...job } }) {
      const request = { job, batchId, idempotencyKey: headers["idempotency-key"] };
      const { replayed, ...submitted } = await submitJob(caller, request);
      return createdReply(`/v1/jobs/${submitted.jobId}`, submitted, replayed);
    },
  });

const resubmitOne = ({ submitJob, lookup, batches, files }: SubmitOperationDeps) =>
  operation({
    id: "resubmitJob",
    method: "post",
    path: "/v1/jobs/{jobId}/resubmit",
    tag: "Jobs",
    summary: "Submit a job again, with other parameters",
    description:
      "A new job with the same request, in any state of the first one, which stays as it is. It names the first as " +
      "`originJobId`, and starts at once. It joins the same batch if that is open and not a timer's, else the batch of the " +
      "day. To run the same job again, requeue it.",
    needs: "submit",
    params: jobParams,
    headers: submitHeaders,
    body: jsonBody(resubmitJobSchema),
    responses: {
      201: { description: "The new job is accepted.", schema: submittedSchema, headers: CREATED },
      200: { description: "The job an earlier request submitted.", schema: submittedSchema, headers: REPLAYED },
    },
    errors: [
      "JobNotFound",
      "BatchClosed",
      "IdempotencyKeyReused",
      "PackageNotFound",
      "JobTypeUnknown",
      "ParametersInvalid",
      "SettingMissing",
      "TenantErasing",
    ],
    async handle({ caller, params: { jobId }, headers, body }) {
      const { value: origin } = await lookup.job(caller, jobId);
      const batch = (await batches.get(origin.batchId))?.value;
      const batchId = batch?.state === "open" && !isTimerBatch(batch.batchId) ? batch.batchId : undefined;
      const job = {
        tenantName: origin.tenantName,
        jobType: origin.jobType,
        jobName: origin.jobName,
        jobProcessorPackageName: origin.jobProcessorPackageName,
        parameters: "parameters" in body ? body.parameters : await parametersOf(origin, files),
        priority: origin.priority,
        retry: origin.retry,
        timeoutMs: origin.timeoutMs,
        tags: [...(origin.tags ?? [])],
        publishLater: body.publishLater,
      };
      const idempotencyKey = headers["idempotency-key"];
      const { replayed, ...submitted } = await submitJob(caller, { job, batchId, idempotencyKey, originJobId: jobId });
      return createdReply(`/v1/jobs/${submitted.jobId}`, submitted, replayed);
    },
  });

/** Large ones lie beside the row. */
const parametersOf = async ({ jobId, parameters }: Job, files: SubmitOperationDeps["files"]): Promise<unknown> =>
  JSON.parse(parameters ?? (await files.getParameters(jobId)) ?? "null");

const linesBody = streamBody({
  mediaType: LINES_MEDIA_TYPE,
  description: `Or a stream with a job in each line, of at most ${SUBMIT_LINE_MAX_BYTES / (1024 * 1024)} MiB.`,
  maxBytes: SUBMIT_MAX_JOBS * SUBMIT_LINE_MAX_BYTES,
  lines: jobRequestSchema,
});

const submitBulk = ({ submitMany, findBatch }: SubmitOperationDeps) => {
  const bulk = createBulkSubmit(submitMany);
  return operation({
    id: "submitJobs",
    // One entry for each request and tenant. A row for each job would double the writes.
    audit: "as-noted",
    method: "post",
    path: "/v1/jobs/bulk",
    tag: "Jobs",
    summary: "Submit many jobs",
    description: BULK_DESCRIPTION,
    needs: "submit",
    query: submitLinesQuery,
    headers: submitHeaders,
    body: eitherBody(jsonBody(submitJobsSchema, { shown: submitJobsDocument, itemsOf: "jobs" }), linesBody),
    responses: {
      200: { description: "One result for each job, in order.", schema: submitResultsSchema, lines: submitLineSchema },
    },
    errors: ["BatchNotFound", "BatchClosed", "BatchOfTimer"],
    async handle({ caller, query, headers, body, changed }) {
      const idempotencyKey = headers["idempotency-key"];
      if (Symbol.asyncIterator in body) {
        const { batchId } = query;
        await assertBatch(findBatch, caller, batchId, true);
        const lines = bulk.submitLines({ caller, batchId, idempotencyKey }, body);
        return { status: 200, lines: noted(lines, batchId, changed) };
      }
      if (query.batchId !== undefined) throw invalidField("batchId", "must be in the body if the body is JSON");
      const { batchId, jobs } = body;
      await assertBatch(findBatch, caller, batchId, idempotencyKey !== undefined || jobs.some(hasId));
      const results = await bulk.submitItems({ caller, batchId, idempotencyKey }, jobs);
      noteSubmits(countSubmits(results), batchId, changed);
      return { status: 200, body: { results } };
    },
  });
};

/** New jobs by tenant. */
function countSubmits(results: readonly SubmitResult[], counts = new Map<string, number>()): Map<string, number> {
  for (const result of results) {
    const tenantName = "jobId" in result && !result.replayed ? parseJobId(result.jobId)?.tenantName : undefined;
    if (tenantName !== undefined) counts.set(tenantName, (counts.get(tenantName) ?? 0) + 1);
  }
  return counts;
}

type Changed = (change: Change) => void;

function noteSubmits(counts: ReadonlyMap<string, number>, batchId: string | undefined, changed: Changed): void {
  for (const [tenantName, submitted] of counts) changed({ tenantName, subject: { batchId }, after: { submitted } });
}

async function* noted(
  lines: AsyncIterable<readonly SubmitResult[]>,
  batchId: string | undefined,
  changed: Changed,
): AsyncGenerator<readonly SubmitResult[]> {
  const counts = new Map<string, number>();
  try {
    for await (const group of lines) {
      countSubmits(group, counts);
      yield group;
    }
  } finally {
    noteSubmits(counts, batchId, changed);
  }
}

/** A named batch is checked once for all jobs. A closed batch still answers repeats of jobs it has. */
async function assertBatch(
  findBatch: Pick<FindBatch, "named">,
  caller: Caller,
  batchId: string | undefined,
  mayBeThere: boolean,
): Promise<void> {
  if (batchId === undefined) return;
  addLogFields(batchLogFields(batchId));
  const batch = await findBatch.named(caller, batchId);
  if (batch.state !== "open" && !mayBeThere) throw batchClosed(batch);
}

const hasId = (job: unknown): boolean => typeof job === "object" && job !== null && "clientJobId" in job;

const BULK_DESCRIPTION = `Each job has a result of its own: a wrong one gets an error in its place and does not stop the others.

As a stream (\`${LINES_MEDIA_TYPE}\`) each line is a job and is answered by a line, in order, while the request is still being
sent. If the answer ends early, its last line is an error with a \`requestId\`. With an \`Idempotency-Key\` the whole request
can be repeated after a broken connection: jobs that were submitted are answered with \`replayed\`.`;
