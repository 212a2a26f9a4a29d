/** What a worker needs so that limits by key hold. A fork without limits leaves it out. */
import { takeTurns } from "../../core/take-turns.ts";
import { createPassLimits, type PassLimits, type PassLimitsDeps } from "./pass-limits.ts";
import { type AfterPlaceLeft, createWake } from "./wake-line.ts";

export interface Limits {
  readonly pass: PassLimits;
  readonly left: AfterPlaceLeft;
}

/** Jobs of one key that come together in this process pass one by one, so that they do not refuse each other's writes. */
export function createLimits(deps: PassLimitsDeps): Limits {
  const pass = createPassLimits(deps);
  const inTurn = takeTurns();
  return {
    pass(stored, context) {
      const { tenantName, jobType, concurrencyKey, rateKey } = stored.value;
      const key = concurrencyKey === undefined ? ["rate", rateKey] : ["concurrency", concurrencyKey];
      return inTurn(JSON.stringify([tenantName, jobType, ...key]), () => pass(stored, context));
    },
    left: createWake(deps),
  };
}
