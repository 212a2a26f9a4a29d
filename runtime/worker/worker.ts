/**
 * A worker: as many attempts at a time as it has slots, taken from the queues of its pool.
 *
 * | state    | meaning                                             | leaves by                             |
 * |----------|-----------------------------------------------------|---------------------------------------|
 * | running  | receives whenever a slot is free and work permitted | `drain()`                             |
 * | draining | receives nothing; attempts go on up to `drainMs`    | last attempt over → stopped           |
 * | stopped  | nothing of this worker runs                         | –                                     |
 */
import { messageOf } from "../core/errors.ts";
import { runAttempt, type AttemptDeps } from "./attempt.ts";
import type { Intake } from "./intake.ts";
import type { WorkerFault } from "./machine-fault.ts";
import type { WorkPermit } from "./work-permit.ts";

export interface WorkerDeps extends AttemptDeps {
  readonly intake: Intake;
  readonly permit: WorkPermit;
  /** Attempts at a time. */
  readonly slots: number;
}

export interface Worker {
  readonly runningCount: number;
  /**
   * Stops receiving; resolves when the last attempt is over. Attempts that are not over after `drainMs` are told to
   * stop and are handed back, which costs the job no attempt; `fault` tells them why, unless somebody wanted the worker to
   * end. A second call can only shorten the time.
   */
  drain(drainMs: number, fault?: WorkerFault): Promise<void>;
}

/** Starts at once. */
export function startWorker(deps: WorkerDeps): Worker {
  const { intake, permit, slots, log } = deps;
  const attempts = new Set<Promise<void>>();
  const outOfTime = new AbortController();
  let draining = false;
  let wake: () => void = () => undefined;
  permit.onChange(() => wake());

  async function receive(): Promise<void> {
    while (!draining) {
      if (attempts.size >= slots || !permit.open) {
        intake.idle();
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const delivery = await intake.next();
      if (delivery === undefined) return;
      const attempt = runAttempt(delivery, deps, outOfTime.signal).finally(() => {
        attempts.delete(attempt);
        wake();
      });
      attempts.add(attempt);
    }
  }

  const receiving = receive().catch((error: unknown) => {
    log.error({ err: error }, `receiving ended: ${messageOf(error)}`);
    throw error;
  });
  // Whoever drains hears of the failure; until then it must not count as unhandled.
  receiving.catch(() => undefined);

  return {
    get runningCount() {
      return attempts.size;
    },
    async drain(drainMs, fault) {
      draining = true;
      wake();
      const timer = setTimeout(() => outOfTime.abort(fault), drainMs);
      try {
        await intake.close();
        await receiving;
        await Promise.all(attempts);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
