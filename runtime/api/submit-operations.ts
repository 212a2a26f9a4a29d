/** Operations that accept work: jobs, one or many, and batches for them. */
import type { Batch } from "../core/job.ts";
import {
  createBatchSchema,
  jobRequestSchema,
  submitJobsDocument,
  submitJobSchema,
  submitJobsSchema,
} from "../core/requests.ts";
import { batchView, batchViewSchema, submitResultsSchema, submittedSchema, type SubmitResult } from "../core/views.ts";
import type { Caller } from "./caller.ts";
import { itemError } from "./item-error.ts";
import { operation, type Operation } from "./operation.ts";
import { jsonBody } from "./request-body.ts";
import type { PreparedJob, Submitter } from "./submit.ts";
import { validate } from "./validate.ts";

export function submitOperations(submitter: Submitter): readonly Operation[] {
  const batchFor = (caller: Caller, batchId: string | undefined, tenantName: string): Promise<Batch> =>
    batchId === undefined ? submitter.dailyBatch(caller, tenantName) : submitter.openBatch(caller, batchId);

  const createBatch = operation({
    id: "createBatch",
    method: "post",
    path: "/v1/batches",
    tag: "Batches",
    summary: "Create a batch",
    needs: "submit",
    body: jsonBody(createBatchSchema),
    responses: { 201: { description: "The batch.", schema: batchViewSchema, headers: { Location: "Its address." } } },
    errors: ["BatchNotFound"],
    async handle({ caller, body }) {
      const batch = await submitter.createBatch(caller, body);
      return { status: 201, headers: { Location: `/v1/batches/${batch.batchId}` }, body: batchView(batch) };
    },
  });

  const submitJob = operation({
    id: "submitJob",
    method: "post",
    path: "/v1/jobs",
    tag: "Jobs",
    summary: "Submit a job",
    description: "A job without `batchId` joins its tenant's batch of the day.",
    needs: "submit",
    body: jsonBody(submitJobSchema),
    responses: {
      201: { description: "The job is accepted.", schema: submittedSchema, headers: { Location: "Its address." } },
    },
    errors: ["BatchNotFound", "BatchClosed"],
    async handle({ caller, body: { batchId, ...job } }) {
      const batch = await batchFor(caller, batchId, job.tenantName);
      const [jobId = ""] = await submitter.submit(caller, batch, [submitter.prepare(batch, job)]);
      return { status: 201, headers: { Location: `/v1/jobs/${jobId}` }, body: { jobId, batchId: batch.batchId } };
    },
  });

  const submitJobs = operation({
    id: "submitJobs",
    method: "post",
    path: "/v1/jobs/bulk",
    tag: "Jobs",
    summary: "Submit many jobs",
    description: "Every job is judged alone: a wrong one gets an error in its place and does not stop the others.",
    needs: "submit",
    body: jsonBody(submitJobsSchema, { shown: submitJobsDocument }),
    responses: { 200: { description: "What became of each.", schema: submitResultsSchema } },
    errors: ["BatchNotFound", "BatchClosed"],
    async handle({ caller, body: { batchId, jobs } }) {
      // A batch that is named is right or wrong for all.
      const named = batchId === undefined ? undefined : await submitter.openBatch(caller, batchId);
      const daily = new Map<string, Batch>();
      const accepted = new Map<Batch, Accepted[]>();
      const results: SubmitResult[] = [];

      for (const [index, item] of jobs.entries()) {
        try {
          const job = validate(jobRequestSchema, item, `jobs[${index}]`);
          const batch = named ?? daily.get(job.tenantName) ?? (await submitter.dailyBatch(caller, job.tenantName));
          if (named === undefined) daily.set(job.tenantName, batch);
          const prepared = submitter.prepare(batch, job);
          const items = accepted.get(batch) ?? [];
          items.push({ index, prepared });
          accepted.set(batch, items);
        } catch (error) {
          results[index] = { error: itemError(error) };
        }
      }
      for (const [batch, items] of accepted) {
        const jobIds = await submitter.submit(
          caller,
          batch,
          items.map(({ prepared }) => prepared),
        );
        for (const [i, { index }] of items.entries()) {
          const jobId = jobIds[i];
          if (jobId !== undefined) results[index] = { jobId, batchId: batch.batchId };
        }
      }
      return { status: 200, body: { results } };
    },
  });

  return [submitJob, submitJobs, createBatch];
}

/** An item that can be accepted, and its place in the request. */
interface Accepted {
  readonly index: number;
  readonly prepared: PreparedJob;
}
