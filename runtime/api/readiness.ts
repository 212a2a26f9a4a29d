/** Whether this instance can work now, for load balancers. The answer is yes or no; the log has the reason. */
import { messageOf } from "../core/errors.ts";
import { READY_CHECK_EVERY_MS, READY_CHECK_TIMEOUT_MS } from "../core/limits.ts";
import type { Logger } from "../core/logger.ts";
import type { Clock } from "../core/clock.ts";

/** Rejects when the dependency cannot be used. */
export type ReadyCheck = () => Promise<unknown>;

export interface ReadinessDeps {
  /** By the name of the dependency. */
  readonly checks: Readonly<Record<string, ReadyCheck>>;
  readonly monotonicNow: Clock["monotonicNow"];
  readonly log: Logger;
}

/** Runs all checks at once, and not again while the last result is fresh. */
export function createReadiness({ checks, monotonicNow, log }: ReadinessDeps): () => Promise<boolean> {
  let last: { readonly at: number; readonly ready: Promise<boolean> } | undefined;

  const passes = async ([name, check]: [string, ReadyCheck]): Promise<boolean> => {
    try {
      await inTime(check());
      return true;
    } catch (error) {
      log.warn({ check: name, reason: messageOf(error) }, "not ready");
      return false;
    }
  };
  return () => {
    const now = monotonicNow();
    if (last === undefined || now - last.at >= READY_CHECK_EVERY_MS) {
      const ready = Promise.all(Object.entries(checks).map(passes)).then((all) => all.every(Boolean));
      last = { at: now, ready };
    }
    return last.ready;
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
