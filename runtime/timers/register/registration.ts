/**
 * Registers the timers that packages declare. Each timer has a row with its settings, and a subscription that receives
 * its ticks. A repeat completes an interrupted registration.
 *
 * | step of `sync`                           | a crash right after it leaves                         | repaired by            |
 * |------------------------------------------|-------------------------------------------------------|------------------------|
 * | creates or corrects the subscription     | a subscription without ticks                          | a repeat, or reconcile |
 * | writes the row                           | a timer that ticks, without the run of its deployment | a repeat, or reconcile |
 * | submits the run of the deployment        | nothing                                               |                        |
 * | removes the row of an undeclared timer   | a subscription without ticks                          | reconcile              |
 * | removes its subscription                 | nothing                                               |                        |
 * | begins again if the version has changed  |                                                       |                        |
 */
import { subscriptionOf } from "../../core/deployment/topology.ts";
import { ConflictError, UnavailableError } from "../../core/errors.ts";
import { TIMERS_MAX_COUNT } from "../../core/limits.ts";
import type { Logger } from "../../core/logger.ts";
import type { Manifest } from "../../core/package/manifest.ts";
import type { PackageCatalog, PackageStore, StoredPackage } from "../../core/ports/package-store.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { TimerStore } from "../../core/ports/timer-store.ts";
import type { TimerSubscriptions } from "../../core/ports/timer-topic.ts";
import { type DeclaredTimer, type PackagePlace, checkTimers, declaredTimers } from "../../core/timer/declared.ts";
import { type Timer, listenerOf } from "../../core/timer/timer.ts";
import { type InspectedPackage, inspectPackage } from "../../package/read/inspect-package.ts";
import { type PlannedTimer, planRegistration } from "./plan-registration.ts";
import type { Clock } from "../../core/clock.ts";

export interface RegistrationDeps {
  readonly packages: Pick<PackageCatalog, "get" | "versions"> & Pick<PackageStore, "fetch">;
  readonly timers: Pick<TimerStore, "get" | "write" | "remove" | "all" | "ofPackage">;
  /** Undefined: the deployment creates subscriptions. */
  readonly subscriptions: Pick<TimerSubscriptions, "ensure" | "remove"> | undefined;
  /** All worker pools. */
  readonly pools: readonly string[];
  /** Submits a timer's run for a version of its package. Repeated calls submit it once. */
  readonly runForVersion: (timer: Timer, publishedAt: Date) => Promise<void>;
  /** Called after timers have been written, so that their ticks are sent soon. */
  readonly onChange?: () => void;
  /** Throws UnavailableError if this process's clock is wrong, because no timer may begin by it. */
  readonly now: Clock["now"];
  readonly log: Logger;
}

export interface TimerRegistration {
  /** Throws PackageError or ConflictError if the package's timers cannot be registered. Writes nothing. */
  check(place: PackagePlace, manifest: Manifest): Promise<void>;
  /**
   * Registers the timers that the package's current version declares, and removes all others. If the package does not
   * exist, it removes all. Resolves to the registered timers. `known`: the version that is probably current, which
   * saves a download. Throws UnavailableError, and PackageError for an invalid package that was not published by
   * Jobyard.
   */
  sync(place: PackagePlace, known?: InspectedPackage): Promise<readonly Timer[]>;
  /** Removes the timers of a package. Call it before the package is deleted, so that every tick finds its package. */
  removePackage(place: PackagePlace): Promise<void>;
  /** Removes the timers of a deleted tenant. Its packages may still exist. Resolves to their number. */
  removeTenant(tenantName: string): Promise<number>;
}

/** Other processes can publish the same package at the same time. So many conflicts in a row are an error. */
const TRIES = 10;

export function createTimerRegistration(deps: RegistrationDeps): TimerRegistration {
  const { packages, timers, subscriptions, pools, now, log } = deps;

  async function inspect(
    { tenantName, packageName }: PackagePlace,
    current: StoredPackage,
    known: InspectedPackage | undefined,
  ): Promise<InspectedPackage | undefined> {
    if (known !== undefined && known.sha256 === current.sha256) return known;
    const blob = await packages.fetch(tenantName, packageName, undefined);
    return blob === undefined || blob === "unchanged" ? undefined : inspectPackage(blob.bytes);
  }

  async function ensure(timer: DeclaredTimer): Promise<void> {
    const wanted = subscriptionOf(timer);
    const outcome = await subscriptions?.ensure(wanted);
    if (outcome === "foreign") {
      log.warn(
        { tenantName: timer.tenantName, timer: wanted.listener, subscription: wanted.name, queue: wanted.queue },
        "the deployment's subscription of a timer differs from the declaration in its package; deploy again",
      );
    } else if (outcome !== undefined && outcome !== "unchanged") {
      const { tenantName } = timer;
      log.info(
        { tenantName, timer: wanted.listener, subscription: wanted.name, outcome },
        "subscription of a timer registered",
      );
    }
  }

  /** False: the row was written by another process meanwhile. */
  async function write({ timer, write: wanted }: PlannedTimer): Promise<boolean> {
    return wanted === undefined || (await timers.write(timer, wanted.etag)).written;
  }

  /** Removes the row first, so that no more ticks are sent. False: another process has written the row. */
  async function remove({ value: timer, etag }: Stored<Timer>): Promise<boolean> {
    if (!(await timers.remove(timer, etag)).removed) return false;
    await subscriptions?.remove(subscriptionOf(timer).name);
    // If another process registered the timer again meanwhile, it now lacks its subscription.
    const again = await timers.get(timer);
    if (again !== undefined) await ensure(again.value);
    log.info({ tenantName: timer.tenantName, timer: listenerOf(timer) }, "timer removed");
    return true;
  }

  /** Resolves to their number. */
  async function removeAll(read: () => Promise<readonly Stored<Timer>[]>): Promise<number> {
    let count = 0;
    for (let tries = 0; tries < TRIES; tries++) {
      const removed = await eachOf(await read(), remove);
      count += removed.filter(Boolean).length;
      if (!removed.includes(false)) return count;
    }
    throw new UnavailableError(
      "StorageUnavailable",
      "The timers changed during every attempt to remove them. Retry later.",
    );
  }

  async function runVersions(place: PackagePlace, packageHash: string, all: readonly Timer[]): Promise<void> {
    const due = all.filter(({ runOnDeploy, pausedAt }) => runOnDeploy && pausedAt === undefined);
    if (due.length === 0) return;
    const versions = await packages.versions(place.tenantName, place.packageName);
    const version = versions.find(({ sha256, isCurrent }) => sha256 === packageHash || (!sha256 && isCurrent));
    if (version !== undefined) await eachOf(due, (timer) => deps.runForVersion(timer, version.publishedAt));
  }

  /** Undefined if another process has written a row meanwhile. Then call it again with the current rows. */
  async function register(
    place: PackagePlace,
    stored: readonly Stored<Timer>[],
    inspected: InspectedPackage | undefined,
  ): Promise<readonly Timer[] | undefined> {
    const all = inspected === undefined ? [] : declaredTimers(inspected.manifest, place);
    // Timers of an unknown pool stay as they are until the package is published again.
    const declared = all.filter(({ pool }) => pools.includes(pool));
    const leftOut = new Set(all.filter((timer) => !declared.includes(timer)).map(({ timerName }) => timerName));
    if (leftOut.size > 0) log.warn({ ...place, timers: [...leftOut] }, "timers of unknown pools are not registered");
    const packageHash = inspected?.sha256 ?? "";
    // Removing timers needs no correct clock.
    const at = declared.length === 0 ? new Date(0) : now();
    const plan = planRegistration({
      ...{ declared, packageHash, now: at },
      stored: stored.filter(({ value }) => !leftOut.has(value.timerName)),
    });
    await eachOf(declared, ensure);
    const written = await eachOf(plan.timers, write);
    if (plan.timers.some((planned) => planned.write !== undefined)) deps.onChange?.();
    if (written.includes(false)) return undefined;
    const removed = await eachOf(plan.removals, remove);
    if (removed.includes(false)) return undefined;
    const registered = plan.timers.map(({ timer }) => timer);
    await runVersions(place, packageHash, registered);
    return registered;
  }

  return {
    async check({ tenantName, packageName }, manifest) {
      checkTimers(manifest, pools);
      const count = manifest.timers?.length ?? 0;
      if (count === 0) return;
      now();
      let others = 0;
      for await (const { value } of timers.all()) {
        if (value.tenantName !== tenantName || value.packageName !== packageName) others++;
      }
      if (others + count <= TIMERS_MAX_COUNT) return;
      throw new ConflictError(
        "TimerLimitReached",
        `${packageName} declares ${count} timers. Other packages have ${others}, and at most ${TIMERS_MAX_COUNT} are allowed in total.`,
      );
    },

    async sync(place, known) {
      const { tenantName, packageName } = place;
      for (let tries = 0; tries < TRIES; tries++) {
        // Read before the version. If a later version is registered in between, writing these rows fails.
        const stored = await timers.ofPackage(tenantName, packageName);
        const current = await packages.get(tenantName, packageName);
        const inspected = current && (await inspect(place, current, known));
        if (current !== undefined && inspected === undefined) continue;
        const registered = await register(place, stored, inspected);
        if (registered === undefined) continue;
        const after = await packages.get(tenantName, packageName);
        if (versionKey(after) === versionKey(current)) return registered;
      }
      throw new UnavailableError(
        "StorageUnavailable",
        "The package changed during every attempt to register its timers. Retry later.",
      );
    },

    async removePackage({ tenantName, packageName }) {
      await removeAll(() => timers.ofPackage(tenantName, packageName));
    },

    removeTenant: (tenantName) =>
      removeAll(async () => {
        const stored: Stored<Timer>[] = [];
        for await (const row of timers.all()) if (row.value.tenantName === tenantName) stored.push(row);
        return stored;
      }),
  };
}

/** Changes with every upload. */
const versionKey = (stored: StoredPackage | undefined): string =>
  stored === undefined ? "" : [stored.sha256, stored.uploadedAt.getTime(), stored.bytes].join();

const AT_A_TIME = 8;

/**
 * Runs a step for each item, a few at a time. Results are in the order of the items. After a failure no more steps
 * begin, and it rejects with the error when all running steps have ended.
 */
async function eachOf<T, R>(items: readonly T[], step: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  const waiting = items.entries();
  let failed = false;
  const work = async (): Promise<void> => {
    for (const [index, item] of waiting) {
      if (failed) return;
      try {
        results[index] = await step(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(AT_A_TIME, items.length) }, work));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  return results;
}
