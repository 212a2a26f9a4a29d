/** Operations on jobs: read, cancel, requeue, reschedule. */
import type { Change } from "../../core/audit.ts";
import { ConflictError } from "../../core/errors.ts";
import {
  clientJobParams,
  emptySchema,
  jobParams,
  requeueJobsSchema,
  rescheduleJobSchema,
} from "../../core/http/requests.ts";
import {
  type JobView,
  type RequeueResult,
  jobView,
  jobViewSchema,
  requeueResultsSchema,
} from "../../core/http/views.ts";
import type { Job } from "../../core/job/job.ts";
import type { JobFiles } from "../../core/ports/job-files.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { BatchCompletion } from "../../lifecycle/batch-completion.ts";
import { cancelJob, type CancelDeps } from "../../lifecycle/cancel-job.ts";
import type { JobEvents } from "../../lifecycle/job-events.ts";
import { waitsFor, type WaitsForDeps } from "../../lifecycle/limits/waits-for.ts";
import { requeueJobs, type RequeueOutcome } from "../../lifecycle/requeue-job.ts";
import { type RescheduleDeps, rescheduleJobs } from "../../lifecycle/reschedule-job.ts";
import type { PauseBoard } from "../../lifecycle/pause-board.ts";
import { itemError } from "../http/error-response.ts";
import { operation, type Operation } from "../http/operation.ts";
import { jsonBody } from "../http/read-request.ts";
import { batchOfTimer, noSuchJob, type Lookup } from "../lookup.ts";
import type { BellOutbox } from "../submit/bell-outbox.ts";
import { startTimeOf } from "../submit/start-time.ts";

export interface JobOperationDeps extends CancelDeps, WaitsForDeps {
  readonly lookup: Lookup;
  readonly jobs: Pick<JobStore, "get" | "update">;
  readonly placeUnique: RescheduleDeps["placeUnique"];
  readonly files: Pick<JobFiles, "getParameters">;
  readonly completion: BatchCompletion;
  readonly outbox: BellOutbox;
  readonly events: JobEvents;
  readonly pauseBoard: Pick<PauseBoard, "current">;
}

export const jobOperations = (deps: JobOperationDeps): readonly Operation[] => [
  getJob(deps),
  getClientJob(deps),
  cancelOne(deps),
  requeueOne(deps),
  requeueMany(deps),
  rescheduleOne(deps),
];

const getJob = (deps: JobOperationDeps) =>
  operation({
    id: "getJob",
    method: "get",
    path: "/v1/jobs/{jobId}",
    tag: "Jobs",
    summary: "Get a job",
    needs: "read",
    params: jobParams,
    responses: { 200: { description: "The job.", schema: jobViewSchema } },
    errors: ["JobNotFound"],
    async handle({ caller, params }) {
      const { value: job } = await deps.lookup.job(caller, params.jobId);
      return { status: 200, body: await fullView(job, deps) };
    },
  });

const getClientJob = (deps: JobOperationDeps) =>
  operation({
    id: "getClientJob",
    method: "get",
    path: "/v1/tenants/{tenantName}/jobs/{clientJobId}",
    tag: "Jobs",
    summary: "Get a job by its `clientJobId`",
    needs: "read",
    params: clientJobParams,
    responses: { 200: { description: "The job.", schema: jobViewSchema } },
    errors: ["JobNotFound"],
    async handle({ caller, params: { tenantName, clientJobId } }) {
      const { value: job } = await deps.lookup.clientJob(caller, tenantName, clientJobId);
      return { status: 200, body: await fullView(job, deps) };
    },
  });

/** With its parameters, also when they are too large for the row, and with what holds it back. */
async function fullView(job: Job, deps: JobOperationDeps): Promise<JobView> {
  const parameters = job.parameters ?? (await deps.files.getParameters(job.jobId));
  const view = jobView({ ...job, parameters }, deps.pauseBoard.current());
  // A pause holds a job whatever its limits are.
  const reason = view.waitsFor === undefined ? await waitsFor(job, deps) : undefined;
  return { ...view, ...(reason !== undefined && { waitsFor: reason }) };
}

const cancelOne = (deps: JobOperationDeps) =>
  operation({
    id: "cancelJob",
    method: "post",
    path: "/v1/jobs/{jobId}/cancel",
    tag: "Jobs",
    summary: "Cancel a job",
    description:
      "A queued or delayed job ends at once. A running job is told by its worker and gets a grace period; then its " +
      "processes are killed. It ends as `canceled`, unless it succeeds first.",
    needs: "submit",
    params: jobParams,
    body: jsonBody(emptySchema, { required: false }),
    responses: {
      200: { description: "The job, canceled.", schema: jobViewSchema },
      202: { description: "The job, still running.", schema: jobViewSchema },
    },
    errors: ["JobNotFound", "JobEnded"],
    async handle({ caller, params: { jobId }, changed }) {
      const stored = await deps.lookup.job(caller, jobId);
      const result = await cancelJob(stored, deps);
      const note = (job: Job): void => changed(jobChange(stored.value, job));
      switch (result.outcome) {
        case "gone":
          throw noSuchJob(jobId);
        case "too-late":
          throw new ConflictError("JobEnded", `Job ${jobId} has already ended as ${result.job.state}.`);
        case "requested":
          note(result.job);
          return { status: 202, body: await fullView(result.job, deps) };
        case "canceled":
          note(result.job);
          await deps.completion.afterJobEnded(result.job.batchId);
          return { status: 200, body: await fullView(result.job, deps) };
      }
    },
  });

const requeueOne = (deps: JobOperationDeps) =>
  operation({
    id: "requeueJob",
    method: "post",
    path: "/v1/jobs/{jobId}/requeue",
    tag: "Jobs",
    summary: "Requeue an ended job",
    description:
      "Runs the job again, at once. Its counters start at zero, its history is kept, and its `runAt` is ignored.",
    needs: "submit",
    params: jobParams,
    body: jsonBody(emptySchema, { required: false }),
    responses: { 200: { description: "The job, queued.", schema: jobViewSchema } },
    errors: ["JobNotFound", "JobNotEnded"],
    async handle({ caller, params: { jobId }, changed }) {
      const stored = await deps.lookup.job(caller, jobId);
      const [result] = await requeue(deps, [stored]);
      const job = requeuedJob(jobId, result);
      changed(jobChange(stored.value, job));
      return { status: 200, body: await fullView(job, deps) };
    },
  });

const requeueMany = (deps: JobOperationDeps) =>
  operation({
    id: "requeueJobs",
    // One entry for each tenant.
    audit: "as-noted",
    method: "post",
    path: "/v1/jobs/requeue",
    tag: "Jobs",
    summary: "Requeue many ended jobs",
    description:
      "Each job has a result of its own: one that cannot be requeued gets an error in its place and does not stop the others.",
    needs: "submit",
    body: jsonBody(requeueJobsSchema),
    responses: { 200: { description: "One result for each job, in order.", schema: requeueResultsSchema } },
    errors: [],
    async handle({ caller, body: { jobIds }, changed }) {
      const rows = new Map<string, Stored<Job>>();
      const items = new Map<string, RequeueResult>();
      await Promise.all(
        [...new Set(jobIds)].map(async (jobId) => {
          try {
            rows.set(jobId, await deps.lookup.job(caller, jobId));
          } catch (error) {
            items.set(jobId, { jobId, error: itemError(error) });
          }
        }),
      );
      const results = await requeue(deps, [...rows.values()]);
      [...rows.keys()].forEach((jobId, index) => items.set(jobId, itemOf(jobId, results[index])));
      const requeued = results.flatMap((result) => (result.outcome === "requeued" ? [result.job] : []));
      for (const [tenantName, jobs] of Map.groupBy(requeued, (job) => job.tenantName)) {
        changed({ tenantName, subject: { firstJobId: jobs[0]?.jobId }, after: { requeued: jobs.length } });
      }
      return { status: 200, body: { results: jobIds.flatMap((jobId) => items.get(jobId) ?? []) } };
    },
  });

const rescheduleOne = (deps: JobOperationDeps) =>
  operation({
    id: "rescheduleJob",
    method: "post",
    path: "/v1/jobs/{jobId}/reschedule",
    tag: "Jobs",
    summary: "Change when a queued job may start",
    description:
      "Later, earlier or now (`delayMs` 0): delayed jobs, jobs that wait for a retry, and jobs that wait for a worker. One " +
      "that waits for a limit joins the line of its key again. `timeToLiveMs` counts from the new time.",
    needs: "submit",
    params: jobParams,
    body: jsonBody(rescheduleJobSchema),
    responses: { 200: { description: "The job, queued.", schema: jobViewSchema } },
    errors: ["JobNotFound", "JobNotQueued", "BatchOfTimer"],
    async handle({ caller, params: { jobId }, body, changed }) {
      const runAt = startTimeOf(body, deps.now());
      const stored = await deps.lookup.job(caller, jobId);
      deps.outbox.assertReady();
      const { outbox } = deps;
      const sendBells = outbox.send.bind(outbox);
      const [result] = await rescheduleJobs([stored], runAt, { ...deps, sendBells });
      if (result === undefined || result.outcome === "gone") throw noSuchJob(jobId);
      const { job } = result;
      if (result.outcome === "of-timer") throw batchOfTimer(job.batchId);
      if (result.outcome === "not-queued") {
        const text = `Job ${jobId} is ${job.state}. Only a queued job can be rescheduled.`;
        throw new ConflictError("JobNotQueued", text);
      }
      changed({
        subject: { jobType: job.jobType },
        before: { runAt: stored.value.runAt },
        after: { runAt },
      });
      return { status: 200, body: await fullView(job, deps) };
    },
  });

const jobChange = (before: Job, after: Job): Change => ({
  subject: { jobType: after.jobType },
  before: { state: before.state },
  after: { state: after.state, ...(after.cancelWanted && { cancelWanted: true }) },
});

function requeue(
  { jobs, completion, events, outbox }: JobOperationDeps,
  rows: readonly Stored<Job>[],
): Promise<readonly RequeueOutcome[]> {
  outbox.assertReady();
  return requeueJobs(rows, {
    jobs,
    completion,
    events,
    sendBells: (queueName, bells) => outbox.send(queueName, bells),
  });
}

/** Throws JobNotFound, JobNotEnded. */
function requeuedJob(jobId: string, result: RequeueOutcome | undefined): Job {
  if (result === undefined || result.outcome === "gone") throw noSuchJob(jobId);
  if (result.outcome !== "not-ended") return result.job;
  throw new ConflictError("JobNotEnded", `Job ${jobId} is ${result.job.state}. Only an ended job can be requeued.`);
}

function itemOf(jobId: string, result: RequeueOutcome | undefined): RequeueResult {
  try {
    return { jobId, state: requeuedJob(jobId, result).state };
  } catch (error) {
    return { jobId, error: itemError(error) };
  }
}
