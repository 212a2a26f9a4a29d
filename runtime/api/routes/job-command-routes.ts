/** Operations that change what becomes of jobs: cancel one, requeue one or many. */
import { ConflictError } from "../../core/errors.ts";
import type { Job } from "../../core/job/job.ts";
import type { JobFiles } from "../../core/ports/job-files.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import { emptySchema, jobParams, requeueJobsSchema } from "../../core/http/requests.ts";
import { jobViewSchema, requeueResultsSchema, type RequeueResult } from "../../core/http/views.ts";
import type { BatchCompletion } from "../../lifecycle/batch-completion.ts";
import { cancelJob, type CancelDeps } from "../../lifecycle/cancel-job.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";
import { requeueJobs, type RequeueResult as Requeued } from "../../lifecycle/requeue-job.ts";
import { fullView } from "./read-routes.ts";
import { itemError } from "../http/error-response.ts";
import { noSuchJob, type Lookup } from "../lookup.ts";
import { operation, type Operation } from "../http/operation.ts";
import { jsonBody } from "../http/request-body.ts";
import type { BellOutbox } from "../submit/bell-outbox.ts";

export interface JobCommandDeps extends CancelDeps {
  readonly jobs: Pick<JobStore, "update">;
  readonly files: Pick<JobFiles, "getParameters">;
  readonly lookup: Lookup;
  readonly completion: BatchCompletion;
  readonly outbox: BellOutbox;
  readonly events: JobEvents;
}

export function jobCommandOperations(deps: JobCommandDeps): readonly Operation[] {
  const { jobs, files, lookup, completion, outbox, events } = deps;

  const requeue = (rows: readonly Stored<Job>[]): Promise<readonly Requeued[]> => {
    outbox.assertReady();
    return requeueJobs(rows, {
      jobs,
      completion,
      events,
      sendBells: (queueName, bells) => outbox.send(queueName, bells),
    });
  };

  const cancelOne = operation({
    id: "cancelJob",
    method: "post",
    path: "/v1/jobs/{jobId}/cancel",
    tag: "Jobs",
    summary: "Cancel a job",
    description:
      "A queued or delayed job ends at once. A running one is asked through its worker, gets its grace period, then its " +
      "processes are killed; it ends as `canceled` unless it succeeds first.",
    needs: "submit",
    params: jobParams,
    body: jsonBody(emptySchema, { required: false }),
    responses: {
      200: { description: "The job, canceled.", schema: jobViewSchema },
      202: { description: "The job, still running.", schema: jobViewSchema },
    },
    errors: ["JobNotFound", "JobEnded"],
    async handle({ caller, params: { jobId } }) {
      const result = await cancelJob(await lookup.job(caller, jobId), deps);
      switch (result.outcome) {
        case "gone":
          throw noSuchJob(jobId);
        case "too-late":
          throw new ConflictError("JobEnded", `Job ${jobId} has ${result.job.state} already.`);
        case "requested":
          return { status: 202, body: await fullView(result.job, files) };
        case "canceled":
          await completion.afterJobEnded(result.job.batchId);
          return { status: 200, body: await fullView(result.job, files) };
      }
    },
  });

  const requeueOne = operation({
    id: "requeueJob",
    method: "post",
    path: "/v1/jobs/{jobId}/requeue",
    tag: "Jobs",
    summary: "Run an ended job again",
    description: "It is as new: counters at zero, history kept, at once whatever its first `runAt` was.",
    needs: "submit",
    params: jobParams,
    body: jsonBody(emptySchema, { required: false }),
    responses: { 200: { description: "The job, queued.", schema: jobViewSchema } },
    errors: ["JobNotFound", "JobNotEnded"],
    async handle({ caller, params: { jobId } }) {
      const [result] = await requeue([await lookup.job(caller, jobId)]);
      return { status: 200, body: await fullView(requeuedJob(jobId, result), files) };
    },
  });

  const requeueMany = operation({
    id: "requeueJobs",
    method: "post",
    path: "/v1/jobs/requeue",
    tag: "Jobs",
    summary: "Run many ended jobs again",
    description:
      "Every job is judged alone: one that cannot be requeued gets an error in its place and does not stop the others.",
    needs: "submit",
    body: jsonBody(requeueJobsSchema),
    responses: { 200: { description: "What became of each.", schema: requeueResultsSchema } },
    errors: [],
    async handle({ caller, body: { jobIds } }) {
      const rows = new Map<string, Stored<Job>>();
      const items = new Map<string, RequeueResult>();
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
      return { status: 200, body: { results: jobIds.flatMap((jobId) => items.get(jobId) ?? []) } };
    },
  });

  return [cancelOne, requeueOne, requeueMany];
}

/** Throws JobNotFound, JobNotEnded. */
function requeuedJob(jobId: string, result: Requeued | undefined): Job {
  if (result === undefined || result.outcome === "gone") throw noSuchJob(jobId);
  if (result.outcome !== "not-ended") return result.job;
  throw new ConflictError("JobNotEnded", `Job ${jobId} is ${result.job.state}; only an ended job can be requeued.`);
}

function itemOf(jobId: string, result: Requeued | undefined): RequeueResult {
  try {
    return { jobId, state: requeuedJob(jobId, result).state };
  } catch (error) {
    return { jobId, error: itemError(error) };
  }
}
