/** Routes that accept work: jobs, one or many, and batches for them. */
import { Router } from "express";
import type { Batch } from "../core/job.ts";
import { createBatchSchema, jobRequestSchema, submitJobSchema, submitJobsSchema } from "../core/requests.ts";
import { batchView } from "../core/views.ts";
import { callerOf, type Caller } from "./caller.ts";
import { itemError, type ItemError } from "./item-error.ts";
import type { PreparedJob, Submitter } from "./submit.ts";
import { validate } from "./validate.ts";

/** What became of one job of a bulk submit, in the order of the request. */
export type SubmitResult = { readonly jobId: string; readonly batchId: string } | { readonly error: ItemError };

export function submitRoutes(submitter: Submitter): Router {
  const router = Router();

  const batchFor = (caller: Caller, batchId: string | undefined, tenantName: string): Promise<Batch> =>
    batchId === undefined ? submitter.dailyBatch(caller, tenantName) : submitter.openBatch(caller, batchId);

  router.post("/batches", async (request, response) => {
    const body = validate(createBatchSchema, request.body);
    const batch = await submitter.createBatch(callerOf(response), body);
    response.status(201).location(`/v1/batches/${batch.batchId}`).json(batchView(batch));
  });

  router.post("/jobs", async (request, response) => {
    const caller = callerOf(response);
    const { batchId, ...job } = validate(submitJobSchema, request.body);
    const batch = await batchFor(caller, batchId, job.tenantName);
    const [jobId] = await submitter.submit(caller, batch, [submitter.prepare(batch, job)]);
    response
      .status(201)
      .location(`/v1/jobs/${String(jobId)}`)
      .json({ jobId, batchId: batch.batchId });
  });

  /** Every item is judged alone: a wrong one gets an error in its place and does not stop the others. */
  router.post("/jobs/bulk", async (request, response) => {
    const caller = callerOf(response);
    const { batchId, jobs } = validate(submitJobsSchema, request.body);
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
    response.status(200).json({ results });
  });

  return router;
}

/** An item that can be accepted, and its place in the request. */
interface Accepted {
  readonly index: number;
  readonly prepared: PreparedJob;
}
