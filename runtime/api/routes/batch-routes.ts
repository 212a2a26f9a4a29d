/** Operations on batches: create, list, read, close, cancel, requeue their jobs. */
import {
  batchParams,
  createBatchSchema,
  emptySchema,
  listBatchesSchema,
  listJobsSchema,
  requeueBatchSchema,
  submitHeaders,
} from "../../core/http/requests.ts";
import {
  batchView,
  batchViewSchema,
  jobView,
  jobViewSchema,
  pageSchema,
  pageView,
  requeuedSchema,
} from "../../core/http/views.ts";
import type { Batch } from "../../core/job/job.ts";
import { openOf, type StateCounts } from "../../core/job/states.ts";
import type { BatchStore } from "../../core/ports/batch-store.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import type { Caller } from "../auth/caller.ts";
import type { BatchCommands } from "../batch-commands.ts";
import { operation, type Operation } from "../http/operation.ts";
import { jsonBody } from "../http/read-request.ts";
import type { Lookup } from "../lookup.ts";
import type { FindBatch } from "../submit/find-batch.ts";
import type { PauseBoard } from "../../lifecycle/pause-board.ts";
import { CREATED, REPLAYED, createdReply } from "./created-reply.ts";

export interface BatchOperationDeps {
  readonly lookup: Pick<Lookup, "batch">;
  readonly findBatch: Pick<FindBatch, "create">;
  readonly commands: BatchCommands;
  readonly batches: Pick<BatchStore, "list">;
  readonly jobs: Pick<JobStore, "list" | "counts">;
  readonly pauseBoard: Pick<PauseBoard, "current">;
}

export const batchOperations = (deps: BatchOperationDeps): readonly Operation[] => [
  createBatch(deps),
  listBatches(deps),
  getBatch(deps),
  listJobs(deps),
  closeBatch(deps),
  cancelBatch(deps),
  requeueBatch(deps),
];

const createBatch = ({ findBatch }: BatchOperationDeps) =>
  operation({
    id: "createBatch",
    method: "post",
    path: "/v1/batches",
    tag: "Batches",
    summary: "Create a batch",
    needs: "submit",
    headers: submitHeaders,
    body: jsonBody(createBatchSchema),
    responses: {
      201: { description: "The batch.", schema: batchViewSchema, headers: CREATED },
      200: { description: "The batch an earlier request created.", schema: batchViewSchema, headers: REPLAYED },
    },
    errors: ["BatchNotFound", "IdempotencyKeyReused", "TenantErasing"],
    async handle({ caller, body, headers, changed }) {
      const { batch, replayed } = await findBatch.create(caller, body, headers["idempotency-key"]);
      const { tenantName, batchId, batchName } = batch;
      changed({ tenantName, subject: { batchId }, after: { batchName, ...(replayed && { replayed }) } });
      return createdReply(`/v1/batches/${batch.batchId}`, batchView(batch), replayed);
    },
  });

const listBatches = ({ batches, pauseBoard }: BatchOperationDeps) =>
  operation({
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
      // A tenant of others answers like a tenant without batches.
      if (!caller.mayUse(tenantName)) return { status: 200, body: { items: [] } };
      return {
        status: 200,
        body: pageView(await batches.list(tenantName, page), (batch) =>
          batchView(batch, undefined, pauseBoard.current()),
        ),
      };
    },
  });

const getBatch = (deps: BatchOperationDeps) =>
  operation({
    id: "getBatch",
    method: "get",
    path: "/v1/batches/{batchId}",
    tag: "Batches",
    summary: "Get a batch",
    needs: "read",
    params: batchParams,
    responses: { 200: { description: "The batch with its counts.", schema: batchViewSchema } },
    errors: ["BatchNotFound"],
    async handle({ caller, params }) {
      const { batch, counts } = await readBatch(deps, caller, params.batchId);
      return { status: 200, body: batchView(batch, counts, deps.pauseBoard.current()) };
    },
  });

const listJobs = ({ lookup, jobs, pauseBoard }: BatchOperationDeps) =>
  operation({
    id: "listJobs",
    method: "get",
    path: "/v1/batches/{batchId}/jobs",
    tag: "Batches",
    summary: "List the jobs of a batch",
    description: "In the order of submission. Large batches are listed shard by shard.",
    needs: "read",
    params: batchParams,
    query: listJobsSchema,
    responses: { 200: { description: "A page.", schema: pageSchema("JobPage", jobViewSchema) } },
    errors: ["BatchNotFound"],
    async handle({ caller, params, query }) {
      const { value: batch } = await lookup.batch(caller, params.batchId);
      return {
        status: 200,
        body: pageView(await jobs.list(batch, query), (job) => jobView(job, pauseBoard.current())),
      };
    },
  });

const closeBatch = (deps: BatchOperationDeps) =>
  operation({
    id: "closeBatch",
    method: "post",
    path: "/v1/batches/{batchId}/close",
    tag: "Batches",
    summary: "Close a batch",
    description: "The batch accepts no more jobs. It is complete when the jobs it has have ended.",
    needs: "submit",
    params: batchParams,
    body: jsonBody(emptySchema, { required: false }),
    responses: { 200: { description: "The batch with its counts.", schema: batchViewSchema } },
    errors: ["BatchNotFound", "BatchOfTimer"],
    async handle({ caller, params: { batchId }, changed }) {
      const stored = await deps.lookup.batch(caller, batchId);
      await deps.commands.close(stored);
      const { batch, counts } = await readBatch(deps, caller, batchId);
      changed({ before: { state: stored.value.state }, after: { state: batch.state } });
      return { status: 200, body: batchView(batch, counts, deps.pauseBoard.current()) };
    },
  });

const cancelBatch = (deps: BatchOperationDeps) =>
  operation({
    id: "cancelBatch",
    method: "post",
    path: "/v1/batches/{batchId}/cancel",
    tag: "Batches",
    summary: "Cancel a batch",
    description:
      "Ends every queued job, and asks the workers to end running ones. Takes up to a minute on large batches.",
    needs: "submit",
    params: batchParams,
    body: jsonBody(emptySchema, { required: false }),
    responses: {
      200: { description: "All jobs have ended.", schema: batchViewSchema },
      202: {
        description:
          "Some jobs have not ended: their workers are ending them, or there were too many for one call. Call again.",
        schema: batchViewSchema,
      },
    },
    errors: ["BatchNotFound", "BatchOfTimer"],
    async handle({ caller, params: { batchId }, changed }) {
      const stored = await deps.lookup.batch(caller, batchId);
      await deps.commands.cancel(stored);
      const { batch, counts } = await readBatch(deps, caller, batchId);
      changed({ before: { state: stored.value.state }, after: { state: batch.state, open: openOf(counts) } });
      return { status: openOf(counts) > 0 ? 202 : 200, body: batchView(batch, counts, deps.pauseBoard.current()) };
    },
  });

const requeueBatch = ({ lookup, commands }: BatchOperationDeps) =>
  operation({
    id: "requeueBatch",
    method: "post",
    path: "/v1/batches/{batchId}/requeue",
    tag: "Batches",
    summary: "Requeue the failed or canceled jobs of a batch",
    description: "The state of the batch does not change: a closed batch still accepts no new jobs.",
    needs: "submit",
    params: batchParams,
    body: jsonBody(requeueBatchSchema, { required: false }),
    responses: {
      200: { description: "The number of jobs that were requeued.", schema: requeuedSchema },
      202: { description: "There were too many for one call. Call again for the rest.", schema: requeuedSchema },
    },
    errors: ["BatchNotFound"],
    async handle({ caller, params, body: { state }, changed }) {
      const { value: batch } = await lookup.batch(caller, params.batchId);
      const { requeued, more } = await commands.requeue(batch, state);
      changed({ before: { state }, after: { requeued, more } });
      return { status: more ? 202 : 200, body: { requeued } };
    },
  });

async function readBatch(
  { lookup, jobs }: BatchOperationDeps,
  caller: Caller,
  batchId: string,
): Promise<{ batch: Batch; counts: StateCounts }> {
  const { value: batch } = await lookup.batch(caller, batchId);
  return { batch, counts: await jobs.counts(batch) };
}
