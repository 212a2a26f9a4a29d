/** Creates one subscription for each timer in the deployed packages. */
import { checkTimers, declaredTimers } from "../../runtime/core/timer/declared.ts";
import { messageOf } from "../../runtime/core/errors.ts";
import { TIMERS_MAX_COUNT } from "../../runtime/core/limits.ts";
import type { Manifest } from "../../runtime/core/package/manifest.ts";
import type { TimerSubscription } from "../../runtime/core/ports/timer-topic.ts";
import { subscriptionOf } from "../../runtime/core/deployment/topology.ts";
import { InfraConfigError } from "../config.ts";

export interface DeployedTimersRequest {
  readonly packages: readonly { readonly packageName: string; readonly manifest: Pick<Manifest, "timers"> }[];
  /** The tenant of the packages. */
  readonly tenantName: string;
  readonly pools: readonly string[];
}

/** Throws InfraConfigError with all timers that these worker pools cannot run. */
export function planTimers({ packages, tenantName, pools }: DeployedTimersRequest): readonly TimerSubscription[] {
  const problems = packages.flatMap(({ packageName, manifest }) => {
    try {
      checkTimers(manifest, pools);
      return [];
    } catch (error) {
      return [`jobyard:packagesPath: ${packageName}: ${messageOf(error)}`];
    }
  });
  const timers = packages.flatMap(({ packageName, manifest }) => declaredTimers(manifest, { tenantName, packageName }));
  if (timers.length > TIMERS_MAX_COUNT) {
    problems.push(`jobyard:packagesPath: the packages declare ${timers.length} timers, more than ${TIMERS_MAX_COUNT}`);
  }
  if (problems.length > 0) throw new InfraConfigError(problems);
  return timers.map(subscriptionOf);
}
