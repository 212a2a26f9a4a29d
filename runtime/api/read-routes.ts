/** Routes that only read: batches with their counts, jobs, artifacts, logs. */
import { pipeline } from "node:stream/promises";
import { Router, type Response } from "express";
import { NotFoundError } from "../core/errors.ts";
import type { BatchStore, JobFiles, JobStore, OpenedBlob } from "../core/ports.ts";
import { listBatchesSchema, listJobsSchema } from "../core/requests.ts";
import { batchView, jobView } from "../core/views.ts";
import { callerOf } from "./caller.ts";
import { fullView } from "./full-view.ts";
import type { Lookup } from "./lookup.ts";
import { validate } from "./validate.ts";

export interface ReadDeps {
  readonly lookup: Lookup;
  readonly jobs: Pick<JobStore, "list" | "counts">;
  readonly batches: Pick<BatchStore, "list">;
  readonly files: Pick<JobFiles, "getParameters" | "listArtifacts" | "openArtifact" | "openLog">;
}

export function readRoutes({ lookup, jobs, batches, files }: ReadDeps): Router {
  const router = Router();

  router.get("/batches", async (request, response) => {
    const { tenantName, pageSize, continuationToken } = validate(listBatchesSchema, request.query);
    if (!callerOf(response).mayUse(tenantName)) {
      response.json({ items: [] });
      return;
    }
    const page = await batches.list(tenantName, { pageSize, continuationToken });
    response.json({ ...page, items: page.items.map((batch) => batchView(batch)) });
  });

  router.get("/batches/:batchId", async (request, response) => {
    const { value: batch } = await lookup.batch(callerOf(response), request.params.batchId);
    response.json(batchView(batch, await jobs.counts(batch)));
  });

  router.get("/batches/:batchId/jobs", async (request, response) => {
    const query = validate(listJobsSchema, request.query);
    const { value: batch } = await lookup.batch(callerOf(response), request.params.batchId);
    const page = await jobs.list(batch, query);
    response.json({ ...page, items: page.items.map(jobView) });
  });

  router.get("/jobs/:jobId", async (request, response) => {
    const { value: job } = await lookup.job(callerOf(response), request.params.jobId);
    response.json(await fullView(job, files));
  });

  router.get("/jobs/:jobId/artifacts", async (request, response) => {
    const { value: job } = await lookup.job(callerOf(response), request.params.jobId);
    const items = job.claim === undefined ? [] : await files.listArtifacts(job.jobId, job.claim.id);
    response.json({ items });
  });

  router.get("/jobs/:jobId/artifacts/*path", async (request, response) => {
    const { value: job } = await lookup.job(callerOf(response), request.params.jobId);
    const path = request.params.path.join("/");
    const blob = job.claim && (await files.openArtifact(job.jobId, job.claim.id, path));
    if (blob === undefined) throw new NotFoundError("ArtifactNotFound", `The job has no artifact ${path}.`);
    // Written by a job, so never to be run by a browser as a page of ours.
    response.attachment(request.params.path.at(-1));
    await send(response, blob);
  });

  /** The log of the latest attempt. */
  router.get("/jobs/:jobId/log", async (request, response) => {
    const { value: job } = await lookup.job(callerOf(response), request.params.jobId);
    const claimId = job.history.at(-1)?.claimId;
    const blob = claimId === undefined ? undefined : await files.openLog(job.jobId, claimId);
    if (blob === undefined) throw new NotFoundError("LogNotFound", "The job has written no log yet.");
    await send(response, blob);
  });

  return router;
}

async function send(response: Response, blob: OpenedBlob): Promise<void> {
  response.set({
    "content-type": blob.contentType,
    "content-length": String(blob.bytes),
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'",
  });
  await pipeline(blob.stream, response);
}
