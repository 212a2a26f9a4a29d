/** Finds the batch of a submit: created on request, named by its id, or the tenant's batch of the day. */
import { ConflictError, invalidField, NotFoundError } from "../../core/errors.ts";
import { defaultBatchId, LARGE_BATCH_SHARD_COUNT, type IdSource } from "../../core/job/ids.ts";
import { type Batch, NEW_BATCH } from "../../core/job/job.ts";
import { DEFAULT_BATCHES_PER_DAY_MAX } from "../../core/limits.ts";
import type { BatchStore } from "../../core/ports/batch-store.ts";
import { DEFAULT_PRIORITY } from "../../core/job/priority.ts";
import type { CreateBatchBody } from "../../core/http/requests.ts";
import { DEFAULT_POOL } from "../../core/deployment/topology.ts";
import type { PauseBoard } from "../../lifecycle/pause-board.ts";
import type { Caller } from "../auth/caller.ts";
import { assertNotErasing } from "../erase/begin-erasure.ts";
import { type Lookup, assertNotOfTimer } from "../lookup.ts";
import { type Reservation, type Reservations, requestHash } from "./reservations.ts";
import type { Clock } from "../../core/clock.ts";

export interface FindBatchDeps {
  readonly batches: Pick<BatchStore, "create" | "get">;
  readonly lookup: Pick<Lookup, "batch">;
  readonly reservations: Pick<Reservations, "reserveOne">;
  readonly ids: IdSource;
  readonly now: Clock["now"];
  /** The worker pools there are. A batch for another pool would wait for ever. */
  readonly pools: readonly string[];
  readonly pauseBoard: Pick<PauseBoard, "current">;
}

export interface CreatedBatch {
  readonly batch: Batch;
  /** It was there before this request. */
  readonly replayed: boolean;
}

export interface FindBatch {
  /**
   * Default tenant: the only one the caller acts for. Throws InvalidRequestError, BatchNotFound for a tenant of others,
   * IdempotencyKeyReused, TenantErasing.
   */
  create(caller: Caller, body: CreateBatchBody, idempotencyKey: string | undefined): Promise<CreatedBatch>;
  /** The batch with this id, open or not. Throws BatchNotFound; BatchOfTimer for the batch of a timer. */
  named(caller: Caller, batchId: string): Promise<Batch>;
  /**
   * The tenant's batch of the day. A new one is created if there is none, or if the last is not open. After
   * DEFAULT_BATCHES_PER_DAY_MAX of them the last is returned, open or not. Throws BatchNotFound, TenantErasing.
   */
  daily(caller: Caller, tenantName: string): Promise<Batch>;
}

export function createFindBatch(deps: FindBatchDeps): FindBatch {
  const { batches, lookup, reservations, ids, now, pools, pauseBoard } = deps;

  type Fields = CreateBatchBody & { readonly tenantName: string };

  function assertPool({ pool = DEFAULT_POOL }: Fields): void {
    if (!pools.includes(pool)) throw invalidField("pool", `is not one of the worker pools: ${pools.join(", ")}`);
  }

  function newBatch(caller: Caller, batchId: string, fields: Fields): Promise<Batch> {
    return batches.create({
      batchId,
      tenantName: fields.tenantName,
      batchName: fields.batchName,
      priority: fields.priority ?? DEFAULT_PRIORITY,
      pool: fields.pool ?? DEFAULT_POOL,
      ...NEW_BATCH,
      shardCount: fields.large === true ? LARGE_BATCH_SHARD_COUNT : 1,
      createdAt: now(),
      createdBy: caller.name,
      ...(fields.tags !== undefined && fields.tags.length > 0 && { tags: [...new Set(fields.tags)] }),
    });
  }

  /** The id of the batch, and whether an earlier request may have created it. */
  async function reserve(fields: Fields, idempotencyKey: string | undefined): Promise<Reservation> {
    const freshId = ids.batchId(fields.tenantName);
    if (idempotencyKey === undefined) return { id: freshId, isFirst: true };
    const wish = { freshId, requestHash: requestHash("batch", fields), idempotencyKey, clientJobId: undefined };
    return reservations.reserveOne(fields.tenantName, wish);
  }

  /** The first batch of the day that may be open, by tenant: what is closed stays so. */
  const firstOpen = new Map<string, { readonly day: string; readonly number: number }>();

  function firstOf(tenantName: string, day: string): number {
    const first = firstOpen.get(tenantName);
    return first?.day === day ? first.number : 0;
  }

  return {
    async create(caller, body, idempotencyKey) {
      const fields = { ...body, tenantName: body.tenantName ?? onlyTenantOf(caller) };
      assertTenant(caller, fields.tenantName);
      assertNotErasing(pauseBoard, fields.tenantName);
      assertPool(fields);
      const { id, isFirst } = await reserve(fields, idempotencyKey);
      const existing = isFirst ? undefined : await batches.get(id);
      if (existing !== undefined) return { batch: existing.value, replayed: true };
      return { batch: await newBatch(caller, id, fields), replayed: false };
    },

    async named(caller, batchId) {
      const { value } = await lookup.batch(caller, batchId);
      assertNotOfTimer(value);
      return value;
    },

    async daily(caller, tenantName) {
      assertTenant(caller, tenantName);
      assertNotErasing(pauseBoard, tenantName);
      const today = now();
      const day = today.toISOString().slice(0, 10);
      for (let number = firstOf(tenantName, day); ; number++) {
        if (number > 0) firstOpen.set(tenantName, { day, number });
        const batchId = defaultBatchId(tenantName, today.getTime(), number);
        const existing = await batches.get(batchId);
        if (existing !== undefined) {
          const isLast = number === DEFAULT_BATCHES_PER_DAY_MAX - 1;
          if (existing.value.state === "open" || isLast) return existing.value;
          // Closing or canceling earlier jobs must not refuse later ones.
          continue;
        }
        const batchName = number === 0 ? `Jobs of ${day}` : `Jobs of ${day}, ${number + 1}`;
        const fields = { tenantName, batchName, large: true };
        assertPool(fields);
        return newBatch(caller, batchId, fields);
      }
    },
  };
}

export const batchClosed = (batch: Batch): ConflictError =>
  new ConflictError("BatchClosed", `Batch ${batch.batchId} accepts no more jobs.`);

function assertTenant(caller: Caller, tenantName: string): void {
  if (!caller.mayUse(tenantName)) {
    throw new NotFoundError("BatchNotFound", `There is no tenant ${tenantName} for this caller.`);
  }
}

function onlyTenantOf(caller: Caller): string {
  const tenants = caller.tenants();
  const [only] = tenants;
  if (tenants !== "all" && only !== undefined && tenants.length === 1) return only;
  throw invalidField("tenantName", "is required, because the caller does not act for exactly one tenant");
}
