/**
 * Removes what tenants do not want kept any longer, as the last and least urgent work of the sweeper. It goes through all
 * batches once an hour, with bounded work in each round. Where it stands is known to this process alone: another one that
 * leads begins again.
 */
import type { Batch } from "../../core/job/job.ts";
import { jobIdParts, jobTime } from "../../core/job/ids.ts";
import {
  type Retention,
  type TenantRetention,
  isLookDue,
  keepsAll,
  letterDueAt,
  mayLoseJobs,
} from "../../core/job/retention.ts";
import { FORGET_REQUESTS_PER_ROUND } from "../../core/limits.ts";
import type { Logger } from "../../core/logger.ts";
import type { ErasureStore } from "../../core/ports/erasure-store.ts";
import type { RetentionStore } from "../../core/ports/retention-store.ts";
import { unlessUnreadable } from "../../core/unreadable.ts";
import {
  type ForgetBatchDeps,
  type Forgotten,
  type Kept,
  type Look,
  PAGE_COST,
  lookThrough,
  nothingForgotten,
} from "./forget-batch.ts";

export interface ForgetSweepDeps extends ForgetBatchDeps {
  readonly retentions: Pick<RetentionStore, "all" | "get">;
  readonly erasures: Pick<ErasureStore, "all">;
  /** Of tenants that have set none. */
  readonly defaultRetention: Retention;
  readonly log: Logger;
}

export interface ForgetSweep {
  /** One round. Throws UnavailableError: the next round goes on. */
  sweep(): Promise<Forgotten>;
  /**
   * Whether a dead letter is older than its tenant wants it kept, or is of a job that was erased with its tenant; by what was
   * known when the latest pass began.
   */
  readonly isLetterDue: (jobId: string, enqueuedAt: Date) => boolean;
}

/** Retention is counted in days. */
const PASS_EVERY_MS = 60 * 60_000;

interface Pass {
  /** Batches that were read and are to be looked through. */
  waiting: Batch[];
  from: string | undefined;
  isAllRead: boolean;
  look: { readonly batchId: string; readonly look: Look } | undefined;
}

export function createForgetSweep(deps: ForgetSweepDeps): ForgetSweep {
  const { removal, retentions, erasures, defaultRetention, unreadable, now, log } = deps;
  let own: ReadonlyMap<string, Kept> | undefined;
  let erased: ReadonlyMap<string, Date | undefined> = new Map();
  let pass: Pass | undefined;
  let nextPassAt = 0;
  const kept = (set: TenantRetention | undefined): Kept => ({
    retention: set ?? defaultRetention,
    changedAt: set?.changedAt,
  });
  const keptOf = (tenantName: string): Kept => own?.get(tenantName) ?? kept(undefined);

  async function beginPass(): Promise<Pass> {
    const all = await retentions.all();
    erased = new Map((await erasures.all()).map(({ tenantName, endedAt }) => [tenantName, endedAt]));
    own = new Map(all.map((set) => [set.tenantName, kept(set)]));
    return { waiting: [], from: undefined, isAllRead: false, look: undefined };
  }

  const isDue = (batch: Batch): boolean => {
    const { retention, changedAt } = keptOf(batch.tenantName);
    return !keepsAll(retention) && mayLoseJobs(batch, now()) && isLookDue(batch, changedAt, now());
  };

  async function goOn(current: Pass, did: Forgotten): Promise<void> {
    for (let left = FORGET_REQUESTS_PER_ROUND; left > 0;) {
      const begun = current.look;
      if (begun !== undefined) {
        const made = await unlessUnreadable(begun.batchId, unreadable, () => begun.look.step(left));
        if (made === undefined || begun.look.isOver) current.look = undefined;
        left -= made ?? 1;
        continue;
      }
      const batch = current.waiting.shift();
      if (batch !== undefined) {
        const { batchId, tenantName } = batch;
        // Read again: the tenant may have chosen to keep more since the pass began.
        const wanted = kept(await retentions.get(tenantName));
        left -= 1;
        current.look = { batchId, look: lookThrough(batchId, wanted, deps, did) };
        continue;
      }
      if (current.isAllRead) {
        pass = undefined;
        nextPassAt = now().getTime() + PASS_EVERY_MS;
        return;
      }
      const part = await removal.batches({ from: current.from, onUnreadable: unreadable.note });
      current.waiting = part.items.map(({ value }) => value).filter(isDue);
      current.from = part.next;
      current.isAllRead = part.next === undefined;
      left -= PAGE_COST;
    }
  }

  return {
    isLetterDue(jobId, enqueuedAt) {
      const { tenantName } = jobIdParts(jobId);
      const erasedAt = erased.get(tenantName);
      // A later tenant of the same name has younger jobs.
      if (erasedAt !== undefined && jobTime(jobId) < erasedAt) return true;
      return own !== undefined && letterDueAt(enqueuedAt, keptOf(tenantName).retention) <= now();
    },
    async sweep() {
      const did = nothingForgotten();
      if (pass === undefined && now().getTime() < nextPassAt) return did;
      pass ??= await beginPass();
      try {
        await goOn(pass, did);
      } finally {
        if (did.rows + did.logs + did.artifacts + did.batches > 0) log.info({ ...did }, "removed what was due");
      }
      return did;
    },
  };
}
