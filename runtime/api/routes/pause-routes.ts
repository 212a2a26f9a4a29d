/** Operations on pauses: of a tenant, a job type, a pool, a queue. Each can be repeated. */
import { type Pause, type PauseSubject, pauseName } from "../../core/admission/pause.ts";
import { ConflictError, NotFoundError, invalidField } from "../../core/errors.ts";
import {
  type PutPauseBody,
  pauseView,
  pauseViewSchema,
  pausesSchema,
  poolParams,
  putPauseSchema,
  queueParams,
  tenantOfPause,
  typeParams,
} from "../../core/http/pause-api.ts";
import { tenantParams } from "../../core/http/tenant-api.ts";
import { PAUSED_TYPES_MAX_COUNT } from "../../core/limits.ts";
import type { PauseStore } from "../../core/ports/pause-store.ts";
import type { PauseBoard } from "../../lifecycle/pause-board.ts";
import type { Caller } from "../auth/caller.ts";
import { type Operation, operation } from "../http/operation.ts";
import { jsonBody } from "../http/read-request.ts";
import type { Clock } from "../../core/clock.ts";

export interface PauseOperationDeps {
  readonly pauses: PauseStore;
  readonly pauseBoard: Pick<PauseBoard, "refresh">;
  /** The worker pools there are. */
  readonly pools: readonly string[];
  readonly now: Clock["now"];
}

export const pauseOperations = (deps: PauseOperationDeps): readonly Operation[] => [
  listPauses(deps),
  pauseTenant(deps),
  resumeTenant(deps),
  pauseType(deps),
  resumeType(deps),
  pausePool(deps),
  resumePool(deps),
  pauseQueue(deps),
  resumeQueue(deps),
];

const HOLDS =
  "Nothing new starts, on any worker, within 3 seconds. Running jobs go on, and jobs are accepted and wait. A repeat " +
  "replaces the reason.";
const GOES_ON = "Waiting jobs go on within a few seconds.";
const PAUSED = { 200: { description: "The pause.", schema: pauseViewSchema } } as const;
const RESUMED = { 204: { description: "Resumed." } } as const;
const body = jsonBody(putPauseSchema, { required: false });

async function pause(
  { pauses, pauseBoard, now }: PauseOperationDeps,
  caller: Caller,
  subject: PauseSubject,
  { reason }: PutPauseBody = {},
) {
  const made = { subject, pausedAt: now(), pausedBy: caller.name, reason };
  await pauses.put(made);
  await pauseBoard.refresh();
  return { status: 200, body: pauseView(made) } as const;
}

async function resume({ pauses, pauseBoard }: PauseOperationDeps, subject: PauseSubject) {
  const removed = await pauses.remove(subject);
  await pauseBoard.refresh();
  if (!removed) throw noSuchPause(subject);
  return { status: 204 } as const;
}

const listPauses = ({ pauses }: PauseOperationDeps) =>
  operation({
    id: "listPauses",
    method: "get",
    path: "/v1/pauses",
    tag: "Pauses",
    summary: "List what is paused",
    needs: "signed-in",
    responses: { 200: { description: "Pools, queues, and what the caller may see of tenants.", schema: pausesSchema } },
    errors: [],
    async handle({ caller }) {
      const all = await pauses.list(() => undefined);
      return { status: 200, body: { items: all.pauses.filter(isVisibleTo(caller)).map(pauseView) } };
    },
  });

const pauseTenant = (deps: PauseOperationDeps) =>
  operation({
    id: "pauseTenant",
    method: "put",
    path: "/v1/tenants/{tenantName}/pause",
    tag: "Pauses",
    summary: "Pause a tenant",
    description: HOLDS,
    needs: "manage",
    params: tenantParams,
    body,
    responses: PAUSED,
    errors: ["TenantNotFound"],
    handle({ caller, params: { tenantName }, body: given }) {
      assertMayUse(caller, tenantName);
      return pause(deps, caller, { kind: "tenant", tenantName }, given);
    },
  });

const resumeTenant = (deps: PauseOperationDeps) =>
  operation({
    id: "resumeTenant",
    method: "delete",
    path: "/v1/tenants/{tenantName}/pause",
    tag: "Pauses",
    summary: "Resume a tenant",
    description: GOES_ON,
    needs: "manage",
    params: tenantParams,
    responses: RESUMED,
    errors: ["PauseNotFound"],
    handle({ caller, params: { tenantName } }) {
      const subject = { kind: "tenant", tenantName } as const;
      if (!caller.mayUse(tenantName)) throw noSuchPause(subject);
      return resume(deps, subject);
    },
  });

const pauseType = (deps: PauseOperationDeps) =>
  operation({
    id: "pauseType",
    method: "put",
    path: "/v1/tenants/{tenantName}/types/{jobType}/pause",
    tag: "Pauses",
    summary: "Pause a job type of a tenant",
    description: `${HOLDS} The type need not be published. A tick of a timer of that name that comes meanwhile is missed.`,
    needs: "manage",
    params: typeParams,
    body,
    responses: PAUSED,
    errors: ["TenantNotFound", "TooManyPauses"],
    async handle({ caller, params: { tenantName, jobType }, body: given }) {
      assertMayUse(caller, tenantName);
      const ofTenant = (await deps.pauses.list(() => undefined)).pauses.filter(
        ({ subject }) => subject.kind === "type" && subject.tenantName === tenantName && subject.jobType !== jobType,
      );
      if (ofTenant.length >= PAUSED_TYPES_MAX_COUNT) {
        throw new ConflictError("TooManyPauses", `A tenant has at most ${PAUSED_TYPES_MAX_COUNT} paused job types.`);
      }
      return pause(deps, caller, { kind: "type", tenantName, jobType }, given);
    },
  });

const resumeType = (deps: PauseOperationDeps) =>
  operation({
    id: "resumeType",
    method: "delete",
    path: "/v1/tenants/{tenantName}/types/{jobType}/pause",
    tag: "Pauses",
    summary: "Resume a job type of a tenant",
    description: GOES_ON,
    needs: "manage",
    params: typeParams,
    responses: RESUMED,
    errors: ["PauseNotFound"],
    handle({ caller, params: { tenantName, jobType } }) {
      const subject = { kind: "type", tenantName, jobType } as const;
      if (!caller.mayUse(tenantName)) throw noSuchPause(subject);
      return resume(deps, subject);
    },
  });

const pausePool = (deps: PauseOperationDeps) =>
  operation({
    id: "pausePool",
    method: "put",
    path: "/v1/pools/{pool}/pause",
    tag: "Pauses",
    summary: "Pause a pool",
    description: `${HOLDS} Its workers receive nothing.`,
    needs: "operate",
    params: poolParams,
    body,
    responses: PAUSED,
    errors: [],
    handle({ caller, params: { pool }, body: given }) {
      assertPool(deps.pools, pool);
      return pause(deps, caller, { kind: "pool", pool }, given);
    },
  });

const resumePool = (deps: PauseOperationDeps) =>
  operation({
    id: "resumePool",
    method: "delete",
    path: "/v1/pools/{pool}/pause",
    tag: "Pauses",
    summary: "Resume a pool",
    description: GOES_ON,
    needs: "operate",
    params: poolParams,
    responses: RESUMED,
    errors: ["PauseNotFound"],
    handle: ({ params: { pool } }) => resume(deps, { kind: "pool", pool }),
  });

const pauseQueue = (deps: PauseOperationDeps) =>
  operation({
    id: "pauseQueue",
    method: "put",
    path: "/v1/pools/{pool}/queues/{priority}/pause",
    tag: "Pauses",
    summary: "Pause the jobs of one priority in a pool",
    description: HOLDS,
    needs: "operate",
    params: queueParams,
    body,
    responses: PAUSED,
    errors: [],
    handle({ caller, params: { pool, priority }, body: given }) {
      assertPool(deps.pools, pool);
      return pause(deps, caller, { kind: "queue", pool, priority }, given);
    },
  });

const resumeQueue = (deps: PauseOperationDeps) =>
  operation({
    id: "resumeQueue",
    method: "delete",
    path: "/v1/pools/{pool}/queues/{priority}/pause",
    tag: "Pauses",
    summary: "Resume the jobs of one priority in a pool",
    description: GOES_ON,
    needs: "operate",
    params: queueParams,
    responses: RESUMED,
    errors: ["PauseNotFound"],
    handle: ({ params: { pool, priority } }) => resume(deps, { kind: "queue", pool, priority }),
  });

/** Pauses of pools and queues hold everybody's jobs, so everybody sees them. */
export const isVisibleTo =
  (caller: Caller) =>
  ({ subject }: Pause): boolean => {
    const tenantName = tenantOfPause(subject);
    return tenantName === undefined || caller.mayUse(tenantName);
  };

function assertMayUse(caller: Caller, tenantName: string): void {
  if (caller.mayUse(tenantName)) return;
  throw new NotFoundError("TenantNotFound", `There is no tenant ${tenantName} for this caller.`);
}

function assertPool(pools: readonly string[], pool: string): void {
  if (!pools.includes(pool)) throw invalidField("pool", `is not one of the worker pools: ${pools.join(", ")}`);
}

const noSuchPause = (subject: PauseSubject): NotFoundError =>
  new NotFoundError("PauseNotFound", `The ${pauseName(subject)} is not paused.`);
