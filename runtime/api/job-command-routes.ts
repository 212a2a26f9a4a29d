/** Routes that change what becomes of jobs: cancel one, requeue one or many. */
import { Router } from "express";
import { ConflictError } from "../core/errors.ts";
import type { Job } from "../core/job.ts";
import type { JobFiles, JobStore, Stored } from "../core/ports.ts";
import { emptySchema, requeueJobsSchema } from "../core/requests.ts";
import type { JobState } from "../core/states.ts";
import type { BatchCompletion } from "../jobs/batch-completion.ts";
import { cancelJob, type CancelDeps } from "../jobs/cancel-job.ts";
import { requeueJobs, type RequeueResult } from "../jobs/requeue-job.ts";
import { callerOf } from "./caller.ts";
import { fullView } from "./full-view.ts";
import { itemError, type ItemError } from "./item-error.ts";
import { noSuchJob, type Lookup } from "./lookup.ts";
import type { Ringer } from "./ringer.ts";
import { validate } from "./validate.ts";

export interface JobCommandDeps extends CancelDeps {
  readonly jobs: Pick<JobStore, "update">;
  readonly files: Pick<JobFiles, "getParameters">;
  readonly lookup: Lookup;
  readonly completion: BatchCompletion;
  readonly ringer: Ringer;
}

/** What became of one job of many, in the order of the request. */
export type RequeueItem =
  { readonly jobId: string; readonly state: JobState } | { readonly jobId: string; readonly error: ItemError };

export function jobCommandRoutes(deps: JobCommandDeps): Router {
  const { jobs, files, lookup, completion, ringer } = deps;
  const router = Router();

  const requeue = (rows: readonly Stored<Job>[]): Promise<readonly RequeueResult[]> => {
    ringer.assertReady();
    return requeueJobs(rows, { jobs, completion, ring: (queueName, bells) => ringer.ring(queueName, bells) });
  };

  router.post("/jobs/:jobId/cancel", async (request, response) => {
    validate(emptySchema, request.body ?? {});
    const { jobId } = request.params;
    const result = await cancelJob(await lookup.job(callerOf(response), jobId), deps);
    switch (result.outcome) {
      case "gone":
        throw noSuchJob(jobId);
      case "too-late":
        throw new ConflictError("JobEnded", `Job ${jobId} has ${result.job.state} already.`);
      case "asked":
        response.status(202).json(await fullView(result.job, files));
        return;
      case "canceled":
        await completion.askBatch(result.job.batchId);
        response.status(200).json(await fullView(result.job, files));
        return;
    }
  });

  router.post("/jobs/:jobId/requeue", async (request, response) => {
    validate(emptySchema, request.body ?? {});
    const { jobId } = request.params;
    const [result] = await requeue([await lookup.job(callerOf(response), jobId)]);
    response.status(200).json(await fullView(requeuedJob(jobId, result), files));
  });

  /** Every job is judged alone: one that cannot be requeued gets an error in its place and does not stop the others. */
  router.post("/jobs/requeue", async (request, response) => {
    const caller = callerOf(response);
    const { jobIds } = validate(requeueJobsSchema, request.body);
    const rows = new Map<string, Stored<Job>>();
    const items = new Map<string, RequeueItem>();
    await Promise.all(
      [...new Set(jobIds)].map(async (jobId) => {
        try {
          rows.set(jobId, await lookup.job(caller, jobId));
        } catch (error) {
          items.set(jobId, { jobId, error: itemError(error) });
        }
      }),
    );
    const results = await requeue([...rows.values()]);
    [...rows.keys()].forEach((jobId, index) => items.set(jobId, itemOf(jobId, results[index])));
    response.status(200).json({ results: jobIds.map((jobId) => items.get(jobId)) });
  });

  return router;
}

/** Throws JobNotFound, JobNotEnded. */
function requeuedJob(jobId: string, result: RequeueResult | undefined): Job {
  if (result === undefined || result.outcome === "gone") throw noSuchJob(jobId);
  if (result.outcome !== "not-ended") return result.job;
  throw new ConflictError("JobNotEnded", `Job ${jobId} is ${result.job.state}; only an ended job can be requeued.`);
}

function itemOf(jobId: string, result: RequeueResult | undefined): RequeueItem {
  try {
    return { jobId, state: requeuedJob(jobId, result).state };
  } catch (error) {
    return { jobId, error: itemError(error) };
  }
}
