/**
 * The duty to refill the queues. One API instance has it at a time, elected by a lease. Two that believe for a moment that
 * they have it ring twice for a job, and the second bell is surplus.
 */
import { QUICK_ROUND_MS, ROUND_MS } from "../core/admission/fair-share.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { LeaderLease } from "../core/ports/worker-store.ts";
import type { Clock } from "../core/clock.ts";
import type { Refill } from "./refill.ts";

export interface RefillDuty {
  /** Begins a round at once: this process has parked jobs, or a pause has changed. */
  wake(): void;
  /** Waits for the round under way and gives the duty up. */
  stop(): Promise<void>;
}

export interface RefillDutyDeps {
  readonly refill: Refill;
  readonly lease: LeaderLease;
  readonly monotonicNow: Clock["monotonicNow"];
  readonly log: Logger;
}

/** Between two rounds while nothing waits. While jobs wait and there is no room it grows to this. */
const IDLE_MS = 1_000;
/**
 * Between two looks whether this process has the duty. After the death of the one that had it, its instance begins again when
 * it is back, and another one within 30 s.
 */
const HOLD_EVERY_MS = 5_000;
export const REFILL_LEASE_MS = 20_000;

export function startRefillDuty({ refill, lease, monotonicNow, log }: RefillDutyDeps): RefillDuty {
  let isStopped = false;
  let isLeader = false;
  let heldAt = -Infinity;
  let delayMs = IDLE_MS;
  let wake = Promise.withResolvers<undefined>();

  async function round(): Promise<void> {
    if (monotonicNow() - heldAt >= HOLD_EVERY_MS) {
      isLeader = await lease.hold();
      heldAt = monotonicNow();
    }
    if (!isLeader) {
      delayMs = IDLE_MS;
      return;
    }
    const { rangCount, isPending, isDraining } = await refill.round();
    if (rangCount > 0) delayMs = isDraining ? QUICK_ROUND_MS : ROUND_MS;
    else delayMs = isPending ? Math.min(IDLE_MS, 2 * delayMs) : IDLE_MS;
  }

  async function work(): Promise<void> {
    while (!isStopped) {
      wake = Promise.withResolvers();
      await round().catch((error: unknown) => {
        isLeader = false;
        heldAt = -Infinity;
        delayMs = IDLE_MS;
        log.warn({ error: messageOf(error) }, "a refill of the queues failed");
      });
      const timer = setTimeout(() => wake.resolve(undefined), delayMs);
      await wake.promise;
      clearTimeout(timer);
    }
  }
  const working = work();

  return {
    wake() {
      // However often jobs are parked, the delays grow in between.
      if (!isLeader || delayMs <= ROUND_MS) return;
      delayMs = QUICK_ROUND_MS;
      wake.resolve(undefined);
    },
    async stop() {
      isStopped = true;
      wake.resolve(undefined);
      await working;
      await lease.release().catch((error: unknown) => {
        log.warn({ error: messageOf(error) }, "the lease for the refill was not released; it expires by itself");
      });
    },
  };
}
