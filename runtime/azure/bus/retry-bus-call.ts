/** Repeats an idempotent step on Service Bus, for about as long as a restart of the broker takes. */
import { busError, isPassing } from "../translate-error.ts";
import { sleep } from "../../core/sleep.ts";

const PAUSES_MS: readonly number[] = [100, 200, 400, 800];
/** No new try begins after this time. */
const WITHIN_MS = 8_000;

/** Rejects with a core error. `doing` completes "while …". */
export async function retryBusCall<T>(doing: string, step: () => Promise<T>): Promise<T> {
  const giveUpAt = performance.now() + WITHIN_MS;
  for (let failures = 0; ; failures++) {
    try {
      return await step();
    } catch (error) {
      const waitMs = PAUSES_MS[failures];
      if (waitMs === undefined || !isPassing(error) || performance.now() > giveUpAt) throw busError(error, doing);
      await sleep(waitMs);
    }
  }
}
