/**
 * Keeps the broker's lock on one message for as long as a job runs, and says in time when it cannot. While it holds, the
 * message has no other receiver (A2). It knows nothing of jobs.
 *
 * | state   | meaning                                        | leaves by                                             |
 * |---------|------------------------------------------------|-------------------------------------------------------|
 * | held    | the deadline lies ahead, renewals are going on | `stop()` → stopped; deadline or refused renewal → lost |
 * | lost    | `signal` has fired: kill, write nothing        | –                                                     |
 * | stopped | the message is settled                         | –                                                     |
 */
import { LockLostError } from "../../core/errors.ts";
import { lockMarginMs } from "../../core/limits.ts";
import type { ReceivedMessage } from "../../core/ports/job-queue.ts";
import type { Clock } from "../../core/clock.ts";
import type { Metrics } from "../../telemetry/metrics.ts";

export interface LockDeps {
  /** Milliseconds of a clock that never jumps. */
  readonly monotonicNow: Clock["monotonicNow"];
  /** Used once, for the end of the lock as the broker announced it. */
  readonly now: Clock["now"];
  /** Lock duration of the queue. */
  readonly lockMs: number;
  /** Of this worker. */
  readonly pool: string;
  readonly metrics: Pick<Metrics, "lockRenewals">;
}

export interface MessageLock {
  /** Fires, with a LockLostError as reason, when the lock is lost or may soon be. */
  readonly signal: AbortSignal;
  /** How long work may go on without another renewal. Negative: not at all. */
  remainingMs(): number;
  /** Renews now unless enough is left; throws LockLostError when that fails. R3: call it between claim and start. */
  ensure(minimumMs: number): Promise<void>;
  stop(): void;
}

const RETRY_AFTER_MS = 1_000;

export function keepLock(delivery: Pick<ReceivedMessage, "renew" | "lockedUntil">, deps: LockDeps): MessageLock {
  const { lockMs, monotonicNow, pool, metrics } = deps;
  const margin = lockMarginMs(lockMs);
  const lost = new AbortController();
  // A clock that is ahead of the broker's must not make the first lock longer than any lock is.
  let deadline = monotonicNow() + Math.min(delivery.lockedUntil - deps.now().getTime(), lockMs) - margin;
  let stopped = false;
  let watchdog: NodeJS.Timeout | undefined;
  let renewal: NodeJS.Timeout | undefined;
  let renewing: Promise<void> | undefined;

  const count = (outcome: "renewed" | "failed" | "lost"): void => metrics.lockRenewals.add(1, { pool, outcome });

  function lose(cause: unknown): void {
    if (stopped || lost.signal.aborted) return;
    count("lost");
    clearTimeout(watchdog);
    clearTimeout(renewal);
    lost.abort(
      cause instanceof LockLostError ? cause : new LockLostError("The lock was not renewed in time.", { cause }),
    );
  }

  function watch(): void {
    clearTimeout(watchdog);
    watchdog = setTimeout(
      () => {
        if (monotonicNow() >= deadline) lose(undefined);
        else watch();
      },
      Math.max(0, deadline - monotonicNow()),
    );
  }

  function schedule(afterMs: number): void {
    clearTimeout(renewal);
    if (stopped || lost.signal.aborted) return;
    renewal = setTimeout(() => void renew(), afterMs);
  }

  /** One renewal at a time; a failed one is repeated until the deadline, a refused one ends the lock. */
  function renew(): Promise<void> {
    renewing ??= (async () => {
      // A1: the new deadline counts from before the request, because the broker renewed at some time after it.
      const before = monotonicNow();
      try {
        await delivery.renew();
        count("renewed");
        deadline = before + lockMs - margin;
        if (!stopped && !lost.signal.aborted) watch();
        schedule(lockMs / 3);
      } catch (error) {
        if (error instanceof LockLostError) {
          lose(error);
        } else {
          count("failed");
          schedule(Math.min(RETRY_AFTER_MS, lockMs / 10));
        }
      } finally {
        renewing = undefined;
      }
    })();
    return renewing;
  }

  watch();
  schedule(Math.min(lockMs / 3, Math.max(0, deadline - monotonicNow() - lockMs / 3)));

  return {
    signal: lost.signal,
    remainingMs: () => deadline - monotonicNow(),
    async ensure(minimumMs) {
      if (deadline - monotonicNow() < minimumMs) await renew();
      if (lost.signal.aborted) throw lost.signal.reason;
      const left = deadline - monotonicNow();
      if (left < minimumMs) {
        throw new LockLostError(`The lock has ${Math.round(left)} ms left, less than a start needs.`);
      }
    },
    stop() {
      stopped = true;
      clearTimeout(watchdog);
      clearTimeout(renewal);
    },
  };
}
