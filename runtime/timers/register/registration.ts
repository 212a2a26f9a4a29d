/**
 * Registers the timers that packages declare: rows that say what each should do, and the subscriptions their ticks come
 * through. A repeat completes a registration that was interrupted.
 *
 * | step of `sync`                | a crash right after it leaves                           | repaired by            |
 * |-------------------------------|---------------------------------------------------------|------------------------|
 * | subscription made or mended   | a subscription without ticks                            | a repeat, or reconcile |
 * | row written                   | a timer that ticks, without the run of its deployment   | a repeat, or reconcile |
 * | run of the deployment         | nothing                                                 |                        |
 * | row of a timer gone removed   | a subscription without ticks                            | reconcile              |
 * | its subscription removed      | nothing                                                 |                        |
 * | another version found current | it begins again                                         |                        |
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
  /** Undefined: subscriptions are the deployment's. */
  readonly subscriptions: Pick<TimerSubscriptions, "ensure" | "remove"> | undefined;
  /** The worker pools there are. */
  readonly pools: readonly string[];
  /** Submits the run that a timer makes for a version of its package. Repeated calls submit it once. */
  readonly runForVersion: (timer: Timer, publishedAt: Date) => Promise<void>;
  /** Called after timers have been written, so that their ticks need not wait. */
  readonly onChange?: () => void;
  /** Throws UnavailableError when this process's clock cannot be trusted: no timer begins by it. */
  readonly now: Clock["now"];
  readonly log: Logger;
}

export interface TimerRegistration {
  /** Throws PackageError or ConflictError for a package whose timers could not be registered. Writes nothing. */
  check(place: PackagePlace, manifest: Manifest): Promise<void>;
  /**
   * Makes what is registered what the package's current version declares; nothing where there is no such package.
   * Resolves to the timers registered. `known`: the version that is probably current, so that it need not be fetched.
   * Throws UnavailableError, and PackageError for a package that others put there broken.
   */
  sync(place: PackagePlace, known?: InspectedPackage): Promise<readonly Timer[]>;
  /** Of a package that is to be deleted: before it is, so that none of their ticks finds it gone. */
  removePackage(place: PackagePlace): Promise<void>;
  /** Of a tenant that has gone; its packages may still be there. */
  removeTenant(tenantName: string): Promise<void>;
}

/** Others may publish the same package at the same time. So many conflicts in a row are an error. */
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
        { subscription: wanted.name, listener: wanted.listener, queue: wanted.queue },
        "the deployment's subscription of a timer is another than its package declares; deploy again",
      );
    } else if (outcome !== undefined && outcome !== "unchanged") {
      log.info({ subscription: wanted.name, outcome }, "subscription of a timer registered");
    }
  }

  /** False: the row was written by another process meanwhile. */
  async function write({ timer, write: wanted }: PlannedTimer): Promise<boolean> {
    return wanted === undefined || (await timers.write(timer, wanted.etag)).written;
  }

  /** The row first: no ticks are sent to a subscription without a row. False: another process has written the row. */
  async function remove({ value: timer, etag }: Stored<Timer>): Promise<boolean> {
    if (!(await timers.remove(timer, etag)).removed) return false;
    await subscriptions?.remove(subscriptionOf(timer).name);
    // It was registered again meanwhile, with the subscription that is gone now.
    const again = await timers.get(timer);
    if (again !== undefined) await ensure(again.value);
    log.info({ listener: listenerOf(timer) }, "timer removed");
    return true;
  }

  async function removeAll(read: () => Promise<readonly Stored<Timer>[]>): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const removed = await eachOf(await read(), remove);
      if (!removed.includes(false)) return;
    }
    throw new UnavailableError("StorageUnavailable", "Timers changed each time they were to be removed.");
  }

  async function runVersions(place: PackagePlace, packageHash: string, all: readonly Timer[]): Promise<void> {
    const due = all.filter(({ runOnDeploy, pausedAt }) => runOnDeploy && pausedAt === undefined);
    if (due.length === 0) return;
    const versions = await packages.versions(place.tenantName, place.packageName);
    const version = versions.find(({ sha256, isCurrent }) => sha256 === packageHash || (!sha256 && isCurrent));
    if (version !== undefined) await eachOf(due, (timer) => deps.runForVersion(timer, version.publishedAt));
  }

  /** Undefined: another process has written meanwhile, so the decision is made again. */
  async function register(
    place: PackagePlace,
    stored: readonly Stored<Timer>[],
    inspected: InspectedPackage | undefined,
  ): Promise<readonly Timer[] | undefined> {
    const all = inspected === undefined ? [] : declaredTimers(inspected.manifest, place);
    // Of a version from when there were other pools: its timers stay as they are until it is published again.
    const declared = all.filter(({ pool }) => pools.includes(pool));
    const leftOut = new Set(all.filter((timer) => !declared.includes(timer)).map(({ timerName }) => timerName));
    if (leftOut.size > 0) log.warn({ ...place, timers: [...leftOut] }, "timers of unknown pools are not registered");
    const packageHash = inspected?.sha256 ?? "";
    // Timers are removed by any clock.
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
        `${packageName} declares ${count} timers; there are ${others} of other packages, and at most ${TIMERS_MAX_COUNT} in all.`,
      );
    },

    async sync(place, known) {
      const { tenantName, packageName } = place;
      for (let tries = 0; tries < TRIES; tries++) {
        // Before the version: a later version that is registered meanwhile then finds other rows than these.
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
        "The package changed each time its timers were to be registered.",
      );
    },

    removePackage: ({ tenantName, packageName }) => removeAll(() => timers.ofPackage(tenantName, packageName)),

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
 * Takes a step for each item, a few at a time. Results are in the order of the items. Begins no more once one has failed,
 * and rejects with its error when all have ended.
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
