/** What a worker needs so that limits by key, and quotas of jobs at once, hold. A fork without limits leaves it out. */
import { type LimitKeys, tenantLine } from "../../core/admission/limit.ts";
import { jobIdParts } from "../../core/job/ids.ts";
import { takeTurns } from "../../core/take-turns.ts";
import { createPassLimits, hasLimits, type PassLimits, type PassLimitsDeps } from "./pass-limits.ts";
import { type AfterPlaceLeft, createWake } from "./wake-line.ts";

export interface Limits {
  /** Whether the job's row must be read, and the job must pass, before it is claimed. */
  readonly hold: (jobId: string, keys: LimitKeys) => boolean;
  readonly pass: PassLimits;
  readonly left: AfterPlaceLeft;
}

/** Jobs of one line that come together in this process pass one by one, so that they do not refuse each other's writes. */
export function createLimits(deps: PassLimitsDeps): Limits {
  const pass = createPassLimits(deps);
  const inTurn = takeTurns();
  const hasQuota = (tenantName: string): boolean => deps.runningLimitOf?.(tenantName) !== undefined;
  return {
    hold: (jobId, keys) => hasLimits(keys) || hasQuota(jobIdParts(jobId).tenantName),
    pass(stored, context) {
      const { tenantName, jobType, concurrencyKey, rateKey } = stored.value;
      const key = concurrencyKey === undefined ? ["rate", rateKey] : ["concurrency", concurrencyKey];
      const line = hasQuota(tenantName) ? tenantLine(tenantName) : [tenantName, jobType, ...key];
      return inTurn(JSON.stringify(line), () => pass(stored, context));
    },
    left: createWake(deps),
  };
}
