/** Operations that change what becomes of a whole batch: close, cancel, requeue its jobs. */
import type { Batch } from "../../core/job/job.ts";
import type { JobStore } from "../../core/ports/job-store.ts";
import { batchParams, emptySchema, requeueBatchSchema } from "../../core/http/requests.ts";
import { openOf, type StateCounts } from "../../core/job/states.ts";
import { batchView, batchViewSchema, requeuedSchema } from "../../core/http/views.ts";
import type { BatchCommands } from "../batch-commands.ts";
import type { Caller } from "../auth/caller.ts";
import type { Lookup } from "../lookup.ts";
import { operation, type Operation } from "../http/operation.ts";
import { jsonBody } from "../http/request-body.ts";

export interface BatchCommandDeps {
  readonly commands: BatchCommands;
  readonly lookup: Lookup;
  readonly jobs: Pick<JobStore, "counts">;
}

export function batchCommandOperations({ commands, lookup, jobs }: BatchCommandDeps): readonly Operation[] {
  /** The batch as the command left it. */
  async function read(caller: Caller, batchId: string): Promise<{ batch: Batch; counts: StateCounts }> {
    const { value: batch } = await lookup.batch(caller, batchId);
    return { batch, counts: await jobs.counts(batch) };
  }

  const closeBatch = operation({
    id: "closeBatch",
    method: "post",
    path: "/v1/batches/{batchId}/close",
    tag: "Batches",
    summary: "Accept no more jobs",
    description: "The batch finishes the jobs it has, and then it is complete.",
    needs: "submit",
    params: batchParams,
    body: jsonBody(emptySchema, { required: false }),
    responses: { 200: { description: "The batch with its counts.", schema: batchViewSchema } },
    errors: ["BatchNotFound", "BatchOfTimer"],
    async handle({ caller, params: { batchId } }) {
      await commands.close(await lookup.batch(caller, batchId));
      const { batch, counts } = await read(caller, batchId);
      return { status: 200, body: batchView(batch, counts) };
    },
  });

  const cancelBatch = operation({
    id: "cancelBatch",
    method: "post",
    path: "/v1/batches/{batchId}/cancel",
    tag: "Batches",
    summary: "End all its jobs",
    description: "Ends every queued job and asks every running one. Works for up to a minute on large batches.",
    needs: "submit",
    params: batchParams,
    body: jsonBody(emptySchema, { required: false }),
    responses: {
      200: { description: "All jobs have ended.", schema: batchViewSchema },
      202: {
        description: "A job has not ended: its worker is at it, or there were too many for one call. Look again.",
        schema: batchViewSchema,
      },
    },
    errors: ["BatchNotFound", "BatchOfTimer"],
    async handle({ caller, params: { batchId } }) {
      await commands.cancel(await lookup.batch(caller, batchId));
      const { batch, counts } = await read(caller, batchId);
      return { status: openOf(counts) > 0 ? 202 : 200, body: batchView(batch, counts) };
    },
  });

  const requeueBatch = operation({
    id: "requeueBatch",
    method: "post",
    path: "/v1/batches/{batchId}/requeue",
    tag: "Batches",
    summary: "Run its failed or canceled jobs again",
    description: "The state of the batch stays: it still accepts no new jobs.",
    needs: "submit",
    params: batchParams,
    body: jsonBody(requeueBatchSchema, { required: false }),
    responses: {
      200: { description: "How many.", schema: requeuedSchema },
      202: { description: "There were too many for one call: call again for the rest.", schema: requeuedSchema },
    },
    errors: ["BatchNotFound"],
    async handle({ caller, params, body: { state } }) {
      const { value: batch } = await lookup.batch(caller, params.batchId);
      const { requeued, more } = await commands.requeue(batch, state);
      return { status: more ? 202 : 200, body: { requeued } };
    },
  });

  return [closeBatch, cancelBatch, requeueBatch];
}
