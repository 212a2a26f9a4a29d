/** Places that callers share: so many in all, and so many for one caller, so that one cannot take those of all others. */
import { TooManyRequestsError } from "../core/errors.ts";
import { PLACE_RETRY_AFTER_S } from "../core/limits.ts";

export interface Shares {
  /** Places that are taken. */
  readonly count: number;
  /** Throws TooManyRequestsError. The returned function gives the place back, once. */
  take(callerKey: string): () => void;
}

export interface SharesOptions {
  /** In the plural, for people. */
  readonly what: string;
  readonly maxCount: number;
  readonly maxPerCaller: number;
}

export function createShares({ what, maxCount, maxPerCaller }: SharesOptions): Shares {
  const taken = new Map<string, number>();
  let count = 0;

  return {
    get count() {
      return count;
    },
    take(callerKey) {
      const own = taken.get(callerKey) ?? 0;
      if (own >= maxPerCaller) {
        throw tooMany(`You have ${own} ${what} at this instance, the most a caller may have; end one, or try later.`);
      }
      if (count >= maxCount) throw tooMany(`This instance serves ${count} ${what}, the most it may; try again later.`);
      taken.set(callerKey, own + 1);
      count++;
      let isHeld = true;
      return () => {
        if (!isHeld) return;
        isHeld = false;
        count--;
        const left = (taken.get(callerKey) ?? 1) - 1;
        if (left === 0) taken.delete(callerKey);
        else taken.set(callerKey, left);
      };
    },
  };
}

const tooMany = (message: string): TooManyRequestsError =>
  new TooManyRequestsError(message, { retryAfterS: PLACE_RETRY_AFTER_S });
