/** Riding out an outage: a step is repeated for as long as the job's lock holds, because its result is worth more than the wait. */
import { UnavailableError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import { sleep } from "../../core/sleep.ts";

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 2_000;

export interface WhileLocked {
  /** When it fires, waiting is over: its reason is thrown. */
  readonly until: AbortSignal;
  readonly log: Logger;
}

/** Repeats `step` while it throws UnavailableError. `step` must be safe to repeat after an unknown outcome. */
export async function retryWhileLocked<T>(
  what: string,
  step: () => Promise<T>,
  { until, log }: WhileLocked,
): Promise<T> {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    until.throwIfAborted();
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      log.warn({ what, error: error.message }, "a service is away; trying again");
      await sleep(waitMs, until);
    }
  }
}
