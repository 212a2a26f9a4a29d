/**
 * What is left over or missing among packages, the rows of timers and their subscriptions after an interrupted change.
 * Pure.
 *
 * | is                                              | means                                 | then                       |
 * |-------------------------------------------------|---------------------------------------|----------------------------|
 * | a package whose rows are not of its version     | it was published, and not registered  | its timers are registered  |
 * | rows of a package that is not there             | it was deleted, and they were not     | they are removed           |
 * | a row whose subscription is missing or misleads | lost, or removed by hand              | it is made, or mended      |
 * | a subscription of ours without row, twice       | its row was removed, and it was not   | it is removed              |
 *
 * Once may be a registration under way: it makes the subscription before the row.
 */
import type { PackagePlace } from "../../core/timer/declared.ts";
import type { StoredPackage } from "../../core/ports/package-store.ts";
import type { FoundSubscription } from "../../core/ports/timer-topic.ts";
import type { Timer } from "../../core/timer/timer.ts";
import { subscriptionOf } from "../../core/deployment/topology.ts";

export interface FoundPackage extends PackagePlace, Omit<StoredPackage, "packageName"> {}

/** A package whose registration is to be done again. */
export interface DriftedPackage extends PackagePlace {
  /** The same text while nothing has changed: what doing it again does not mend is not done for ever. */
  readonly drift: string;
}

/** `tenants`: those there are. A package without a tenant has no timers. */
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
  /** Names of those to be removed. */
  readonly remove: readonly string[];
  /** Names of those to be removed when they are found so again. */
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
