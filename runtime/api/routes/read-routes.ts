/** Operations that only read: batches with their counts, jobs, artifacts, logs. */
import { setTimeout } from "node:timers/promises";
import * as z from "zod";
import { NotFoundError } from "../../core/errors.ts";
import {
  artifactParams,
  batchParams,
  clientJobParams,
  jobParams,
  listBatchesSchema,
  listJobsSchema,
  readLogSchema,
} from "../../core/http/requests.ts";
import {
  type JobView,
  artifactSchema,
  batchView,
  batchViewSchema,
  jobView,
  jobViewSchema,
  pageSchema,
  pageView,
} from "../../core/http/views.ts";
import type { Job } from "../../core/job/job.ts";
import { FOLLOWED_LOGS_MAX_COUNT, FOLLOWED_LOGS_PER_CALLER_MAX_COUNT } from "../../core/limits.ts";
import type { BatchStore } from "../../core/ports/batch-store.ts";
import type { JobFiles } from "../../core/ports/job-files.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import { callerKey, stillMay } from "../auth/caller.ts";
import { entryOf, followLog } from "../events/follow-log.ts";
import { type Operation, operation } from "../http/operation.ts";
import { createShares } from "../http/rate-limit.ts";
import type { Lookup } from "../lookup.ts";

export interface ReadDeps {
  readonly lookup: Lookup;
  readonly jobs: Pick<JobStore, "get" | "list" | "counts">;
  readonly batches: Pick<BatchStore, "list">;
  readonly files: Pick<JobFiles, "getParameters" | "listArtifacts" | "openArtifact" | "openLog">;
  /** Milliseconds on a clock that never jumps. */
  readonly monotonicNow: () => number;
  /** Between two looks at a log that is followed. Default FOLLOW_LOG_EVERY_MS. */
  readonly followLogEveryMs?: number | undefined;
}

export function readOperations(deps: ReadDeps): readonly Operation[] {
  const { lookup, jobs, batches, files } = deps;
  const followedLogs = createShares({
    what: "followed logs",
    maxCount: FOLLOWED_LOGS_MAX_COUNT,
    maxPerCaller: FOLLOWED_LOGS_PER_CALLER_MAX_COUNT,
  });
  const listBatches = operation({
    id: "listBatches",
    method: "get",
    path: "/v1/batches",
    tag: "Batches",
    summary: "List a tenant's batches, newest first",
    needs: "read",
    query: listBatchesSchema,
    responses: { 200: { description: "A page.", schema: pageSchema("BatchPage", batchViewSchema) } },
    errors: [],
    async handle({ caller, query: { tenantName, ...page } }) {
      // A tenant the caller may not use looks like one that has no batches.
      if (!caller.mayUse(tenantName)) return { status: 200, body: { items: [] } };
      return { status: 200, body: pageView(await batches.list(tenantName, page), (batch) => batchView(batch)) };
    },
  });

  const getBatch = operation({
    id: "getBatch",
    method: "get",
    path: "/v1/batches/{batchId}",
    tag: "Batches",
    summary: "Look at a batch",
    needs: "read",
    params: batchParams,
    responses: { 200: { description: "The batch with its counts.", schema: batchViewSchema } },
    errors: ["BatchNotFound"],
    async handle({ caller, params }) {
      const { value: batch } = await lookup.batch(caller, params.batchId);
      return { status: 200, body: batchView(batch, await jobs.counts(batch)) };
    },
  });

  const listJobs = operation({
    id: "listJobs",
    method: "get",
    path: "/v1/batches/{batchId}/jobs",
    tag: "Batches",
    summary: "List the jobs of a batch",
    description: "In the order of their submission, for large batches shard by shard.",
    needs: "read",
    params: batchParams,
    query: listJobsSchema,
    responses: { 200: { description: "A page.", schema: pageSchema("JobPage", jobViewSchema) } },
    errors: ["BatchNotFound"],
    async handle({ caller, params, query }) {
      const { value: batch } = await lookup.batch(caller, params.batchId);
      return { status: 200, body: pageView(await jobs.list(batch, query), jobView) };
    },
  });

  const getJob = operation({
    id: "getJob",
    method: "get",
    path: "/v1/jobs/{jobId}",
    tag: "Jobs",
    summary: "Look at a job",
    needs: "read",
    params: jobParams,
    responses: { 200: { description: "The job.", schema: jobViewSchema } },
    errors: ["JobNotFound"],
    async handle({ caller, params }) {
      const { value: job } = await lookup.job(caller, params.jobId);
      return { status: 200, body: await fullView(job, files) };
    },
  });

  const getClientJob = operation({
    id: "getClientJob",
    method: "get",
    path: "/v1/tenants/{tenantName}/jobs/{clientJobId}",
    tag: "Jobs",
    summary: "Look at a job by its submitter's id",
    needs: "read",
    params: clientJobParams,
    responses: { 200: { description: "The job.", schema: jobViewSchema } },
    errors: ["JobNotFound"],
    async handle({ caller, params: { tenantName, clientJobId } }) {
      const { value: job } = await lookup.clientJob(caller, tenantName, clientJobId);
      return { status: 200, body: await fullView(job, files) };
    },
  });

  const listArtifacts = operation({
    id: "listArtifacts",
    method: "get",
    path: "/v1/jobs/{jobId}/artifacts",
    tag: "Jobs",
    summary: "List the files the latest attempt left",
    needs: "read",
    params: jobParams,
    responses: {
      200: {
        description: "All of them.",
        schema: z.object({ items: z.array(artifactSchema) }).meta({ id: "Artifacts" }),
      },
    },
    errors: ["JobNotFound"],
    async handle({ caller, params }) {
      const { value: job } = await lookup.job(caller, params.jobId);
      const items = job.claim === undefined ? [] : await files.listArtifacts(job.jobId, job.claim.id);
      return { status: 200, body: { items } };
    },
  });

  const getArtifact = operation({
    id: "getArtifact",
    method: "get",
    path: "/v1/jobs/{jobId}/artifacts/{+path}",
    tag: "Jobs",
    summary: "Download a file the latest attempt left",
    needs: "read",
    params: artifactParams,
    responses: { 200: { description: "The file, as attachment.", file: "*/*" } },
    errors: ["JobNotFound", "ArtifactNotFound"],
    async handle({ caller, params: { jobId, path } }) {
      const { value: job } = await lookup.job(caller, jobId);
      const blob = job.claim && (await files.openArtifact(job.jobId, job.claim.id, path));
      if (blob === undefined) throw new NotFoundError("ArtifactNotFound", `The job has no artifact ${path}.`);
      return { status: 200, file: { blob, saveAs: path.slice(path.lastIndexOf("/") + 1) } };
    },
  });

  const getLog = operation({
    id: "getLog",
    method: "get",
    path: "/v1/jobs/{jobId}/log",
    tag: "Jobs",
    summary: "Read the log of an attempt, or follow it",
    description: "Lines of text: time, source (`out`, `err`, `log`, `sys`), and what was written.",
    needs: "read",
    params: jobParams,
    query: readLogSchema,
    responses: { 200: { description: "What has been written so far, or until the end.", file: "text/plain" } },
    errors: ["JobNotFound", "LogNotFound"],
    async handle({ caller, params, query: { execution, fromByte, follow }, gone }) {
      const { value: job } = await lookup.job(caller, params.jobId);
      if (follow === "true") {
        const leave = followedLogs.take(callerKey(caller));
        // An answer that never begins has no end either.
        if (gone.aborted) leave();
        gone.addEventListener("abort", leave);
        const mayRead = () => stillMay(caller, [job.tenantName]);
        const following = followLog({ jobId: job.jobId, execution, fromByte, gone, mayRead }, { ...deps, pause });
        const stream = leavingAtItsEnd(following, leave);
        return { status: 200, file: { blob: { contentType: "text/plain; charset=utf-8", stream } } };
      }
      const claimId = entryOf(job, execution)?.claimId;
      const blob = claimId === undefined ? undefined : await files.openLog(job.jobId, claimId, fromByte);
      if (blob === undefined) throw new NotFoundError("LogNotFound", "This attempt has written no log yet.");
      return { status: 200, file: { blob } };
    },
  });

  return [getJob, getClientJob, listArtifacts, getArtifact, getLog, listBatches, getBatch, listJobs];
}

async function* leavingAtItsEnd(stream: AsyncIterable<Uint8Array>, leave: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* stream;
  } finally {
    leave();
  }
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  setTimeout(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });

// A job as one answer shows it: with its parameters, also those too large for its row.

export async function fullView(job: Job, files: Pick<JobFiles, "getParameters">): Promise<JobView> {
  return jobView({ ...job, parameters: job.parameters ?? (await files.getParameters(job.jobId)) });
}
