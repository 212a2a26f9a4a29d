/** Routes that change what becomes of a whole batch: close, cancel, requeue its jobs. */
import { Router, type Response } from "express";
import type { Batch } from "../core/job.ts";
import type { JobStore } from "../core/ports.ts";
import { emptySchema, requeueBatchSchema } from "../core/requests.ts";
import { openOf, type StateCounts } from "../core/states.ts";
import { batchView } from "../core/views.ts";
import type { BatchCommands } from "./batch-commands.ts";
import { callerOf } from "./caller.ts";
import type { Lookup } from "./lookup.ts";
import { validate } from "./validate.ts";

export interface BatchCommandRouteDeps {
  readonly commands: BatchCommands;
  readonly lookup: Lookup;
  readonly jobs: Pick<JobStore, "counts">;
}

export function batchCommandRoutes({ commands, lookup, jobs }: BatchCommandRouteDeps): Router {
  const router = Router();

  /** The batch as the command left it. */
  async function show(response: Response, batchId: string): Promise<{ batch: Batch; counts: StateCounts }> {
    const { value: batch } = await lookup.batch(callerOf(response), batchId);
    return { batch, counts: await jobs.counts(batch) };
  }

  router.post("/batches/:batchId/close", async (request, response) => {
    validate(emptySchema, request.body ?? {});
    const { batchId } = request.params;
    await commands.close(await lookup.batch(callerOf(response), batchId));
    const { batch, counts } = await show(response, batchId);
    response.status(200).json(batchView(batch, counts));
  });

  /** 202 as long as a job has not ended: its worker is at it, or there were too many for one call. */
  router.post("/batches/:batchId/cancel", async (request, response) => {
    validate(emptySchema, request.body ?? {});
    const { batchId } = request.params;
    await commands.cancel(await lookup.batch(callerOf(response), batchId));
    const { batch, counts } = await show(response, batchId);
    response.status(openOf(counts) > 0 ? 202 : 200).json(batchView(batch, counts));
  });

  /** 202 when there were too many for one call. */
  router.post("/batches/:batchId/requeue", async (request, response) => {
    const { state } = validate(requeueBatchSchema, request.body ?? {});
    const { value: batch } = await lookup.batch(callerOf(response), request.params.batchId);
    const { requeued, more } = await commands.requeue(batch, state);
    response.status(more ? 202 : 200).json({ requeued });
  });

  return router;
}
