/**
 * What shares of a queue are computed from: its bells by tenant, the slots of its pool, the weights of tenants. Bells are
 * counted by a look at the queue itself, so that no process must remember what it has sent. Slots and weights change
 * seldom and are kept for a few seconds.
 */
import { DEFAULT_WEIGHT } from "../core/admission/fair-share.ts";
import { jobIdParts } from "../core/job/ids.ts";
import { subjectOf } from "../core/job/message.ts";
import { isSilent } from "../core/job/worker-record.ts";
import { BELLS_LOOKED_AT_MAX_COUNT, PAGE_SIZE_MAX } from "../core/limits.ts";
import type { JobQueue } from "../core/ports/job-queue.ts";
import type { TenantStore } from "../core/ports/tenant-store.ts";
import type { WorkerStore } from "../core/ports/worker-store.ts";
import type { Clock } from "../core/clock.ts";

export interface QueueLook {
  /** Waiting or under lock, by tenant. */
  readonly bells: ReadonlyMap<string, number>;
  /** Of all of these, and of scheduled ones. */
  readonly names: ReadonlySet<string>;
}

export interface QueueLoads {
  /** Throws UnavailableError. */
  look(queue: string): Promise<QueueLook>;
  /** Slots of live workers. Throws UnavailableError. */
  slotsOf(pool: string): Promise<number>;
  /** Throws UnavailableError. */
  weights(): Promise<(tenantName: string) => number>;
}

export interface QueueLoadsDeps {
  readonly queue: Pick<JobQueue, "peek">;
  readonly workers: Pick<WorkerStore, "list">;
  readonly tenants: Pick<TenantStore, "list">;
  /** A worker whose last heartbeat is older takes no jobs. */
  readonly silentAfterMs: number;
  readonly now: Clock["now"];
  readonly monotonicNow: Clock["monotonicNow"];
}

/** A change of workers or weights counts after this time. */
const KEPT_FOR_MS = 5_000;
const PEEK_PAGE = 250;

export const bellName = (jobId: string, ring: number): string => `${jobId}:${ring}`;

export function createQueueLoads(deps: QueueLoadsDeps): QueueLoads {
  const { queue, workers, tenants, silentAfterMs, now, monotonicNow } = deps;

  const slots = keptBriefly(async () => {
    const counts = new Map<string, number>();
    for (const worker of await workers.list()) {
      if (worker.state !== "running" || isSilent(worker, now(), silentAfterMs)) continue;
      counts.set(worker.pool, (counts.get(worker.pool) ?? 0) + worker.slots);
    }
    return counts;
  }, monotonicNow);

  const weights = keptBriefly(async () => {
    const found = new Map<string, number>();
    let continuationToken: string | undefined;
    do {
      const page = await tenants.list({ pageSize: PAGE_SIZE_MAX, continuationToken });
      for (const { tenantName, weight } of page.items) if (weight !== undefined) found.set(tenantName, weight);
      continuationToken = page.continuationToken;
    } while (continuationToken !== undefined);
    return found;
  }, monotonicNow);

  return {
    async look(queueName) {
      const bells = new Map<string, number>();
      const names = new Set<string>();
      const at = now();
      let fromSequenceNumber: string | undefined;
      // A longer queue is one that others than the refill have filled. Its first part is enough to see who has many.
      for (let seen = 0; seen < BELLS_LOOKED_AT_MAX_COUNT;) {
        const page = await queue.peek(queueName, { deadLetter: false, fromSequenceNumber, maxCount: PEEK_PAGE });
        for (const { parsed, dueAt } of page) {
          const subject = subjectOf(parsed);
          if (subject === undefined) continue;
          names.add(bellName(subject.jobId, subject.ring));
          if (dueAt !== undefined && dueAt > at) continue;
          const { tenantName } = jobIdParts(subject.jobId);
          bells.set(tenantName, (bells.get(tenantName) ?? 0) + 1);
        }
        const last = page.at(-1);
        if (last === undefined || page.length < PEEK_PAGE) break;
        seen += page.length;
        fromSequenceNumber = String(BigInt(last.sequenceNumber) + 1n);
      }
      return { bells, names };
    },
    slotsOf: async (pool) => (await slots()).get(pool) ?? 0,
    async weights() {
      const found = await weights();
      return (tenantName) => found.get(tenantName) ?? DEFAULT_WEIGHT;
    },
  };
}

function keptBriefly<T>(read: () => Promise<T>, monotonicNow: Clock["monotonicNow"]): () => Promise<T> {
  let kept: { readonly value: Promise<T>; readonly readAt: number } | undefined;
  return () => {
    if (kept === undefined || monotonicNow() - kept.readAt >= KEPT_FOR_MS) {
      const value = read();
      kept = { value, readAt: monotonicNow() };
      value.catch(() => (kept = undefined));
    }
    return kept.value;
  };
}
