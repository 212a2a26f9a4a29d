/**
 * Erases a tenant in steps of bounded work. Each step can be repeated, and the progress is on a row: after a crash another
 * instance goes on. Its counts then leave out what the lost step had removed.
 *
 * First every process must have seen the pause, and all jobs must have ended. Then all rows and blobs go, place by place. What
 * was on its way meanwhile can land afterwards, such as an entry of the index: so everything is looked through again, until a
 * whole look finds nothing.
 */
import type { Clock } from "../../core/clock.ts";
import { type ErasedThing, type Erasure, withRemoved } from "../../core/job/erasure.ts";
import { parseBatchId } from "../../core/job/ids.ts";
import { ERASURE_LOOK_EVERY_MS, ERASURE_SETTLES_MS } from "../../core/limits.ts";
import type { Logger } from "../../core/logger.ts";
import type { ErasureStore } from "../../core/ports/erasure-store.ts";
import type { Removal, TenantRowKind } from "../../core/ports/removal.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { TenantStore } from "../../core/ports/tenant-store.ts";
import type { WaitingStore } from "../../core/ports/waiting-store.ts";
import { type CancelDeps, cancelJob } from "../../lifecycle/cancel-job.ts";
import type { PauseBoard } from "../../lifecycle/pause-board.ts";
import type { TimerRegistration } from "../../timers/register/registration.ts";
import { erasureOf, rowOf } from "./begin-erasure.ts";
import { type RemoveTenantDeps, removeBelongings, removeGrants } from "./remove-tenant.ts";

export interface EraseStepDeps extends CancelDeps, RemoveTenantDeps {
  readonly erasures: Pick<ErasureStore, "get" | "put">;
  readonly removal: Pick<Removal, "blobs" | "packages" | "openJobs" | "rows">;
  readonly waiting: Pick<WaitingStore, "list" | "remove">;
  readonly timerRegistration: Pick<TimerRegistration, "removeTenant">;
  readonly tenants: Pick<TenantStore, "listGrants" | "removeGrant" | "remove">;
  readonly pauseBoard: Pick<PauseBoard, "current" | "refresh">;
  readonly now: Clock["now"];
  readonly log: Logger;
}

/** Takes one step. False: the erasing has ended, or has to wait. Throws UnavailableError: the step can be repeated. */
export type EraseStep = (tenantName: string) => Promise<boolean>;

const BLOBS_AT_ONCE = 500;
const CANCELS_AT_ONCE = 100;
/** Between two steps the duty renews its lease. */
const STEP_MS = 5_000;

/** In the order in which they go. Counters after jobs, whose writes they would be part of. */
const ROWS: readonly TenantRowKind[] = [
  "jobs",
  "counters",
  "batches",
  "keys",
  "index",
  "limits",
  "timers",
  "actions",
  "webhooks",
  "deliveries",
];

/** Where a look for open jobs is. It begins again in a process that takes over. */
interface Look {
  readonly beganAt: Date;
  readonly from: string | undefined;
  readonly open: number;
}

export function createEraseStep(deps: EraseStepDeps): EraseStep {
  const { erasures, removal, waiting, timerRegistration, tenants, pauses, pauseBoard, now, log } = deps;
  const looks = new Map<string, Look>();

  /** Not written: another instance was faster, and the next step reads what it wrote. */
  const record = (etag: string, erasure: Erasure): Promise<boolean> => erasures.put(erasure, etag);

  const later = (ms: number): Date => new Date(now().getTime() + ms);

  /** Cancels what is open on one page of jobs. */
  async function stop({ value: erasure, etag }: Stored<Erasure>): Promise<boolean> {
    const { tenantName } = erasure;
    let look = looks.get(tenantName);
    if (look === undefined) {
      // In this order: timers are registered again for a package that is there.
      const packages = await removal.packages(tenantName, BLOBS_AT_ONCE);
      if (packages > 0) return record(etag, withRemoved(erasure, "packages", packages));
      const timers = await timerRegistration.removeTenant(tenantName);
      if (timers > 0) return record(etag, withRemoved(erasure, "timers", timers));
      look = { beganAt: now(), from: undefined, open: 0 };
    }
    const { items, next } = await removal.openJobs(tenantName, { from: look.from });
    let canceled = 0;
    let open = look.open;
    for (let at = 0; at < items.length; at += CANCELS_AT_ONCE) {
      const group = items.slice(at, at + CANCELS_AT_ONCE);
      for (const { outcome } of await Promise.all(group.map((row) => cancelJob(row, deps)))) {
        if (outcome === "requested") open++;
        if (outcome === "canceled") canceled++;
      }
    }
    const counted = { ...erasure, canceled: erasure.canceled + canceled };
    if (next !== undefined) {
      looks.set(tenantName, { ...look, from: next, open });
      if (canceled > 0) await record(etag, counted);
      return true;
    }
    looks.delete(tenantName);
    const settlesAt = new Date(erasure.startedAt.getTime() + ERASURE_SETTLES_MS);
    if (open === 0 && look.beganAt >= settlesAt) return record(etag, { ...counted, open, state: "removing" });
    await record(etag, { ...counted, open, nextAt: later(ERASURE_LOOK_EVERY_MS) });
    return false;
  }

  /** Removes what it finds, place by place, for about STEP_MS. The same object: there was nothing anywhere. */
  async function removeSome(erasure: Erasure): Promise<Erasure> {
    const { tenantName, startedBy } = erasure;
    const until = later(STEP_MS);
    const places: readonly (readonly [ErasedThing, () => Promise<number>])[] = [
      ...ROWS.map((kind) => [kind, () => removal.rows(tenantName, kind)] as const),
      ["files", () => removal.blobs({ tenantName }, BLOBS_AT_ONCE)],
      ["packages", () => removal.packages(tenantName, BLOBS_AT_ONCE)],
      ["notes", () => removeNotes(tenantName)],
    ];
    let changed = erasure;
    for (const [thing, removeFrom] of places) {
      for (let count = await removeFrom(); count > 0; count = await removeFrom()) {
        changed = withRemoved(changed, thing, count);
        if (now() >= until) return changed;
      }
    }
    const belongings = await removeBelongings(tenantName, startedBy, deps);
    return Object.entries(belongings).reduce(
      (sum, [thing, count]) => (count === 0 ? sum : withRemoved(sum, thing as ErasedThing, count)),
      changed,
    );
  }

  async function removeNotes(tenantName: string): Promise<number> {
    const notes = (await waiting.list(() => undefined)).filter(
      ({ value }) => parseBatchId(value.batchId)?.tenantName === tenantName,
    );
    const removed = await Promise.all(notes.map((note) => waiting.remove(note)));
    return removed.filter(Boolean).length;
  }

  async function remove({ value: erasure, etag }: Stored<Erasure>): Promise<boolean> {
    const changed = await removeSome(erasure);
    if (changed !== erasure) {
      await record(etag, changed);
      return true;
    }
    if (erasure.removedInPass > 0) {
      await record(etag, { ...erasure, state: "stopping", removedInPass: 0, nextAt: later(ERASURE_SETTLES_MS) });
      return false;
    }
    const { tenantName } = erasure;
    // Last: until then its callers are told what happens to the tenant.
    const grants = await removeGrants(tenantName, deps);
    await tenants.remove(tenantName);
    const done: Erasure = { ...withRemoved(erasure, "grants", grants), state: "done", endedAt: now() };
    if (await record(etag, done)) {
      log.info({ tenantName, by: done.startedBy, canceled: done.canceled, ...done.removed }, "tenant erased");
    }
    return true;
  }

  /** After a crash here the next step finds it done and comes back. */
  async function end(tenantName: string): Promise<boolean> {
    await pauses.remove(erasureOf(tenantName));
    await pauseBoard.refresh();
    return false;
  }

  return async (tenantName) => {
    const pause = pauseBoard.current().erasureOf(tenantName);
    if (pause === undefined) return false;
    const stored = await rowOf(tenantName, pause, erasures);
    const { state, nextAt } = stored.value;
    if (state === "done") return end(tenantName);
    if (now() < nextAt) return false;
    return state === "stopping" ? stop(stored) : remove(stored);
  };
}
