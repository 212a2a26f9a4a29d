/** Whether this instance can work now, for load balancers. The answer names what cannot be used; the log has the reason. */
import { messageOf } from "../core/errors.ts";
import type { NotReady } from "../core/http/readiness.ts";
import { READY_CHECK_EVERY_MS, READY_CHECK_TIMEOUT_MS } from "../core/limits.ts";
import type { Logger } from "../core/logger.ts";
import type { Clock } from "../core/clock.ts";

/** Rejects when the dependency cannot be used. */
export type ReadyCheck = () => Promise<unknown>;

export interface ReadinessDeps {
  /** By the name of the dependency. */
  readonly checks: Readonly<Record<string, ReadyCheck>>;
  readonly now: Clock["now"];
  readonly monotonicNow: Clock["monotonicNow"];
  readonly log: Logger;
}

/** Resolves to what is not ready; empty: the instance can work. */
export type Readiness = () => Promise<readonly NotReady[]>;

/** Runs all checks at once, and not again while the last result is fresh. */
export function createReadiness({ checks, now, monotonicNow, log }: ReadinessDeps): Readiness {
  let last: { readonly at: number; readonly notReady: Promise<readonly NotReady[]> } | undefined;
  /** When the first of the failures in a row was found. */
  const failingSince = new Map<string, Date>();

  async function fails([part, check]: [string, ReadyCheck]): Promise<readonly NotReady[]> {
    try {
      await inTime(check());
      failingSince.delete(part);
      return [];
    } catch (error) {
      const since = failingSince.get(part) ?? now();
      failingSince.set(part, since);
      log.warn({ check: part, reason: messageOf(error), since }, "not ready");
      return [{ part, since }];
    }
  }
  return () => {
    const at = monotonicNow();
    if (last === undefined || at - last.at >= READY_CHECK_EVERY_MS) {
      last = { at, notReady: Promise.all(Object.entries(checks).map(fails)).then((all) => all.flat()) };
    }
    return last.notReady;
  };
}

function inTime(check: Promise<unknown>): Promise<unknown> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`no answer within ${READY_CHECK_TIMEOUT_MS} ms`)),
    READY_CHECK_TIMEOUT_MS,
  );
  return Promise.race([check, promise]).finally(() => clearTimeout(timer));
}
