/** The subscriptions of timers that come with the deployment: one for each that a deployed package declares. */
import { checkTimers, declaredTimers } from "../../runtime/core/timer/declared.ts";
import { messageOf } from "../../runtime/core/errors.ts";
import { TIMERS_MAX_COUNT } from "../../runtime/core/limits.ts";
import type { Manifest } from "../../runtime/core/package/manifest.ts";
import type { TimerSubscription } from "../../runtime/core/ports/timer-topic.ts";
import { subscriptionOf } from "../../runtime/core/deployment/topology.ts";
import { InfraConfigError } from "../config.ts";

export interface DeployedTimersRequest {
  readonly packages: readonly { readonly packageName: string; readonly manifest: Pick<Manifest, "timers"> }[];
  /** Whose packages they become. */
  readonly tenantName: string;
  readonly pools: readonly string[];
}

/** Throws InfraConfigError for timers that these worker pools cannot run, all problems at once. */
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
    problems.push(`jobyard:packagesPath: its packages declare ${timers.length} timers, more than ${TIMERS_MAX_COUNT}`);
  }
  if (problems.length > 0) throw new InfraConfigError(problems);
  return timers.map(subscriptionOf);
}
