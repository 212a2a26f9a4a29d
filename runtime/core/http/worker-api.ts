/** Workers in answers of the web API. */
import * as z from "zod";
import { poolName } from "./requests.ts";
import type { Frozen } from "./views.ts";
import { isSilent, WORKER_STATES, type WorkerRecord } from "../job/worker-record.ts";

export const listWorkersSchema = z.strictObject({
  pool: poolName.optional().meta({ description: "Default: all pools." }),
});

export const workerParams = z.object({
  pool: z.string().meta({ description: "Its pool.", examples: ["default"] }),
  workerId: z.string().meta({ description: "The worker.", examples: ["worker-1"] }),
});

export const workerViewSchema = z
  .object({
    pool: z.string(),
    workerId: z.string(),
    state: z.enum([...WORKER_STATES, "silent"]).meta({
      description: "`silent`: no heartbeat for so long that its jobs are given to others.",
    }),
    startedAt: z.iso.datetime(),
    heartbeatAt: z.iso.datetime(),
    slots: z.int().meta({ description: "Jobs it runs at a time." }),
    runningCount: z.int().min(0).meta({ description: "Jobs it runs now, as of its heartbeat." }),
    drainWanted: z.boolean().meta({ description: "It has been asked to drain and stop." }),
    isProtected: z.boolean().optional().meta({
      description:
        "Its machine is protected from scale-in, as of its heartbeat. Absent: it is not on a scale set, or protection is off.",
    }),
    version: z.string().meta({ description: "Of its code." }),
  })
  .meta({ id: "Worker" });

export const workersSchema = z.object({ items: z.array(workerViewSchema) }).meta({ id: "Workers" });

export type WorkerView = Frozen<z.infer<typeof workerViewSchema>>;

export const workerView = (worker: WorkerRecord, now: Date, silentAfterMs: number): WorkerView => ({
  pool: worker.pool,
  workerId: worker.workerId,
  state: isSilent(worker, now, silentAfterMs) ? "silent" : worker.state,
  startedAt: worker.startedAt.toISOString(),
  heartbeatAt: worker.heartbeatAt.toISOString(),
  slots: worker.slots,
  runningCount: worker.claims.length,
  drainWanted: worker.drain,
  isProtected: worker.isProtected,
  version: worker.version,
});
