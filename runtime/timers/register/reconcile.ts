/**
 * Compares packages, rows and subscriptions of timers every few minutes, in one process at a time, and repairs the
 * differences. They occur only after crashes, because publishing and deleting a package updates its timers.
 */
import { isSystemError, messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { PackageCatalog } from "../../core/ports/package-store.ts";
import type { TenantStore } from "../../core/ports/tenant-store.ts";
import type { TimerStore } from "../../core/ports/timer-store.ts";
import type { TimerSubscriptions } from "../../core/ports/timer-topic.ts";
import type { Timer } from "../../core/timer/timer.ts";
import { subscriptionOf } from "../../core/deployment/topology.ts";
import { driftedPackages, planSubscriptions, type FoundPackage } from "./plan-reconcile.ts";
import type { TimerRegistration } from "./registration.ts";

export interface ReconcileDeps {
  readonly packages: Pick<PackageCatalog, "all">;
  readonly tenants: Pick<TenantStore, "get">;
  readonly timers: Pick<TimerStore, "all">;
  /** Undefined: the deployment creates subscriptions. */
  readonly subscriptions: TimerSubscriptions | undefined;
  readonly pools: readonly string[];
  readonly registration: Pick<TimerRegistration, "sync">;
  readonly log: Logger;
}

export interface TimerReconcile {
  /** Runs one round. It ends early when this process is no longer the leader. Throws UnavailableError. */
  run(isLeader: () => Promise<boolean>): Promise<void>;
}

export function createTimerReconcile(deps: ReconcileDeps): TimerReconcile {
  const { registration, subscriptions, log } = deps;
  /** The `drift` of each package at its last repair. */
  let tried = new Map<string, string>();
  let suspects: ReadonlySet<string> = new Set();

  async function allTimers(): Promise<readonly Timer[]> {
    const found: Timer[] = [];
    for await (const { value } of deps.timers.all()) found.push(value);
    return found;
  }

  async function tenantsOf(packages: readonly FoundPackage[]): Promise<ReadonlySet<string>> {
    const declaring = packages.filter(({ timerCount = 0 }) => timerCount > 0);
    const names = [...new Set(declaring.map(({ tenantName }) => tenantName))];
    const found = await Promise.all(names.map((name) => deps.tenants.get(name)));
    return new Set(found.flatMap((tenant) => tenant?.tenantName ?? []));
  }

  async function registerAgain(isLeader: () => Promise<boolean>): Promise<void> {
    const packages: FoundPackage[] = [];
    for await (const found of deps.packages.all()) packages.push(found);
    const drifted = driftedPackages(packages, await allTimers(), await tenantsOf(packages));
    const found = new Map<string, string>();
    for (const { tenantName, packageName, drift } of drifted) {
      const place = { tenantName, packageName };
      const key = `${tenantName}/${packageName}`;
      found.set(key, drift);
      if (tried.get(key) === drift) continue;
      if (!(await isLeader())) return;
      try {
        const { length: count } = await registration.sync(place);
        log.warn({ ...place, count }, "timers of a package differed from its declarations and were registered again");
      } catch (error) {
        // Continue with the other packages. A passing error is tried again in the next round.
        if (!isSystemError(error) || error.retryable) found.delete(key);
        log.warn({ ...place, error: messageOf(error) }, "timers of a package could not be registered again");
      }
    }
    tried = found;
  }

  async function mendSubscriptions(topic: TimerSubscriptions, isLeader: () => Promise<boolean>): Promise<void> {
    // Read before the rows, so that a timer registered in between has a row.
    const found = await topic.list();
    const plan = planSubscriptions(await allTimers(), found, suspects, deps.pools);
    suspects = plan.suspects;
    for (const timer of plan.ensure) {
      if (!(await isLeader())) return;
      await topic.ensure(subscriptionOf(timer));
    }
    for (const name of plan.remove) {
      if (!(await isLeader())) return;
      await topic.remove(name);
    }
    const [mended, removed] = [plan.ensure.length, plan.remove.length];
    if (mended + removed > 0) log.warn({ mended, removed }, "subscriptions of timers reconciled");
    // A timer may have been registered while its subscription was removed.
    const again = plan.remove.length === 0 ? [] : await allTimers();
    for (const timer of again.filter((one) => plan.remove.includes(subscriptionOf(one).name))) {
      await topic.ensure(subscriptionOf(timer));
    }
  }

  return {
    async run(isLeader) {
      await registerAgain(isLeader);
      if (subscriptions !== undefined) await mendSubscriptions(subscriptions, isLeader);
    },
  };
}
