/**
 * Finds the differences between packages, the rows of timers and their subscriptions that an interrupted change has
 * left. Pure.
 *
 * | found                                           | means                                 | repair                      |
 * |-------------------------------------------------|---------------------------------------|-----------------------------|
 * | a package with rows of another version          | it was published, but not registered  | its timers are registered   |
 * | rows without a package                          | only the package was deleted          | they are removed            |
 * | a row with a missing or wrong subscription      | it was lost, or removed by hand       | it is created, or corrected |
 * | our subscription without a row, found twice     | only the row was removed              | it is removed               |
 *
 * A subscription without a row that is found once can belong to a registration in progress, which writes the row last.
 */
import type { PackagePlace } from "../../core/timer/declared.ts";
import type { StoredPackage } from "../../core/ports/package-store.ts";
import type { FoundSubscription } from "../../core/ports/timer-topic.ts";
import type { Timer } from "../../core/timer/timer.ts";
import { subscriptionOf } from "../../core/deployment/topology.ts";

export interface FoundPackage extends PackagePlace, Omit<StoredPackage, "packageName"> {}

/** A package whose timers must be registered again. */
export interface DriftedPackage extends PackagePlace {
  /** The same text as long as nothing has changed. It prevents that a repair without effect is repeated for ever. */
  readonly drift: string;
}

/** `tenants`: all that exist. A package without a tenant has no timers. */
export function driftedPackages(
  packages: readonly FoundPackage[],
  timers: readonly Timer[],
  tenants: ReadonlySet<string>,
): readonly DriftedPackage[] {
  const rows = Map.groupBy(timers, keyOf);
  const known = new Set(packages.map(keyOf));
  const drifted = packages.flatMap((found) => {
    const ofPackage = rows.get(keyOf(found)) ?? [];
    return isRegistered(found, ofPackage, tenants) ? [] : [driftOf(found, found, ofPackage)];
  });
  const orphans = [...rows].flatMap(([key, [timer, ...more]]) =>
    known.has(key) || timer === undefined ? [] : [driftOf(timer, undefined, [timer, ...more])],
  );
  return [...drifted, ...orphans];
}

/** Package names have no slash. */
const keyOf = ({ tenantName, packageName }: PackagePlace): string => `${tenantName}/${packageName}`;

function isRegistered(
  { tenantName, sha256, timerCount = 0 }: FoundPackage,
  rows: readonly Timer[],
  tenants: ReadonlySet<string>,
): boolean {
  if (rows.length === 0) return timerCount === 0 || !tenants.has(tenantName);
  return rows.length === timerCount && rows.every(({ packageHash }) => packageHash === sha256);
}

const driftOf = (
  { tenantName, packageName }: PackagePlace,
  found: FoundPackage | undefined,
  rows: readonly Timer[],
): DriftedPackage => ({
  tenantName,
  packageName,
  drift: JSON.stringify([
    found?.uploadedAt,
    found?.sha256,
    rows.map(({ timerName, packageHash }) => [timerName, packageHash]).toSorted(),
  ]),
});

export interface SubscriptionPlan {
  /** Timers whose subscription is missing or forwards elsewhere. */
  readonly ensure: readonly Timer[];
  /** Names of subscriptions to remove. */
  readonly remove: readonly string[];
  /** Names of subscriptions to remove if the next round finds them again. */
  readonly suspects: ReadonlySet<string>;
}

export function planSubscriptions(
  timers: readonly Timer[],
  found: readonly FoundSubscription[],
  suspectsBefore: ReadonlySet<string>,
  pools: readonly string[],
): SubscriptionPlan {
  const byName = new Map(found.map((subscription) => [subscription.name, subscription]));
  const wanted = new Set(timers.map((timer) => subscriptionOf(timer).name));
  const ownerless = found.filter(({ name, isOurs }) => isOurs && !wanted.has(name)).map(({ name }) => name);
  return {
    ensure: timers.filter((timer) => {
      const { name, queue } = subscriptionOf(timer);
      const subscription = byName.get(name);
      const isRight = subscription !== undefined && (!subscription.isOurs || subscription.queue === queue);
      return !isRight && pools.includes(timer.pool);
    }),
    remove: ownerless.filter((name) => suspectsBefore.has(name)),
    suspects: new Set(ownerless),
  };
}
