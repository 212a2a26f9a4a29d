/** Operations on workers: list, read, drain. */
import { NotFoundError } from "../../core/errors.ts";
import { emptySchema } from "../../core/http/requests.ts";
import type { WorkerStore } from "../../core/ports/worker-store.ts";
import {
  listWorkersSchema,
  workerParams,
  workersSchema,
  workerView,
  workerViewSchema,
} from "../../core/http/worker-api.ts";
import type { WorkerRecord } from "../../core/job/worker-record.ts";
import { operation, type Operation } from "../http/operation.ts";
import { jsonBody } from "../http/read-request.ts";
import type { Clock } from "../../core/clock.ts";

export interface WorkerOperationDeps {
  readonly workers: Pick<WorkerStore, "get" | "list" | "requestDrain">;
  readonly now: Clock["now"];
  /** A worker whose last heartbeat is older is silent: its jobs go to others. */
  readonly silentAfterMs: number;
}

export const workerOperations = (deps: WorkerOperationDeps): readonly Operation[] => [
  listWorkers(deps),
  getWorker(deps),
  drainWorker(deps),
];

const listWorkers = (deps: WorkerOperationDeps) =>
  operation({
    id: "listWorkers",
    method: "get",
    path: "/v1/workers",
    tag: "Workers",
    summary: "List the workers",
    needs: "operate",
    query: listWorkersSchema,
    responses: { 200: { description: "All workers, also stopped ones.", schema: workersSchema } },
    errors: [],
    handle: async ({ query }) => ({
      status: 200,
      body: { items: (await deps.workers.list(query.pool)).map((worker) => viewOf(deps, worker)) },
    }),
  });

const getWorker = (deps: WorkerOperationDeps) =>
  operation({
    id: "getWorker",
    method: "get",
    path: "/v1/workers/{pool}/{workerId}",
    tag: "Workers",
    summary: "Get a worker",
    needs: "operate",
    params: workerParams,
    responses: { 200: { description: "The worker at its latest heartbeat.", schema: workerViewSchema } },
    errors: ["WorkerNotFound"],
    handle: async ({ params }) => ({ status: 200, body: viewOf(deps, await findWorker(deps, params)) }),
  });

const drainWorker = (deps: WorkerOperationDeps) =>
  operation({
    id: "drainWorker",
    method: "post",
    path: "/v1/workers/{pool}/{workerId}/drain",
    tag: "Workers",
    summary: "Drain a worker",
    description:
      "The worker takes no more jobs, gives the jobs it has its drain time, hands back the rest without costing them an " +
      "attempt, and ends. Its supervisor starts it again.",
    needs: "operate",
    params: workerParams,
    body: jsonBody(emptySchema, { required: false }),
    responses: {
      202: { description: "Accepted. The worker reads it with its next heartbeat.", schema: workerViewSchema },
    },
    errors: ["WorkerNotFound"],
    async handle({ params }) {
      await findWorker(deps, params);
      await deps.workers.requestDrain(params.pool, params.workerId);
      return { status: 202, body: viewOf(deps, await findWorker(deps, params)) };
    },
  });

interface WorkerName {
  readonly pool: string;
  readonly workerId: string;
}

async function findWorker({ workers }: WorkerOperationDeps, { pool, workerId }: WorkerName): Promise<WorkerRecord> {
  const worker = await workers.get(pool, workerId);
  if (worker === undefined)
    throw new NotFoundError("WorkerNotFound", `There is no worker ${workerId} in pool ${pool}.`);
  return worker;
}

const viewOf = ({ now, silentAfterMs }: WorkerOperationDeps, worker: WorkerRecord) =>
  workerView(worker, now(), silentAfterMs);
