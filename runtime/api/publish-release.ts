/**
 * Publishes the job packages that come with this release of the API. Each version is published once: later starts leave
 * alone what people publish or restore afterwards. Instances can start at the same time.
 */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { ConflictError, PackageError, isSystemError, messageOf } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { PackageCatalog, PackageStore } from "../core/ports/package-store.ts";
import type { TenantStore } from "../core/ports/tenant-store.ts";
import { inspectPackage, packageFacts } from "../package/read/inspect-package.ts";
import type { TimerRegistration } from "../timers/register/registration.ts";
import type { Clock } from "../core/clock.ts";

export interface PublishReleaseDeps {
  readonly packages: Pick<PackageCatalog, "versions" | "upload" | "fetch">;
  readonly tenants: Pick<TenantStore, "get" | "create">;
  readonly timerRegistration: Pick<TimerRegistration, "check" | "sync">;
  /** Has the packages, by the names that jobs use. May be missing. */
  readonly directory: string;
  readonly tenantName: string;
  readonly now: Clock["now"];
  readonly log: Logger;
}

/** Shown as the publisher of the package. */
const PUBLISHED_BY = "release";

export interface ReleasePublisher {
  /** Whether the release has this package and has not published it yet. A submit of its jobs should be retried. */
  isPending(tenantName: string, packageName: string): boolean;
  /** Also registers timers. Logs and skips a package that is not valid. Throws UnavailableError; a repeat continues. */
  publish(): Promise<void>;
}

/** Lists the packages of the release, so that `isPending` is right before the API serves. */
export async function openRelease(deps: PublishReleaseDeps): Promise<ReleasePublisher> {
  const { directory, tenants, tenantName, now, log } = deps;
  const pending = new Set(await packagesIn(directory));
  return {
    isPending: (tenant, packageName) => tenant === tenantName && pending.has(packageName),
    async publish() {
      if (pending.size > 0 && (await tenants.get(tenantName)) === undefined) {
        await tenants.create({ tenantName, createdAt: now(), createdBy: PUBLISHED_BY });
      }
      for (const packageName of pending) {
        try {
          const published = await publish(packageName, deps);
          log.info({ tenantName, packageName, published }, "released package");
        } catch (error) {
          if (!(error instanceof PackageError) && !(error instanceof ConflictError)) throw error;
          log.error({ tenantName, packageName, error: error.message }, "released package is not valid");
        }
        pending.delete(packageName);
      }
    },
  };
}

/** False: this version was published before. */
async function publish(packageName: string, deps: PublishReleaseDeps): Promise<boolean> {
  const { directory, packages, tenantName, timerRegistration } = deps;
  const place = { tenantName, packageName };
  const bytes = await readFile(join(directory, packageName));
  const inspected = await inspectPackage(bytes);
  const versions = await packages.versions(tenantName, packageName);
  const published = versions.find(({ sha256 }) => sha256 === inspected.sha256);
  // Repairs a current version whose bytes were replaced.
  const isWanted =
    published === undefined || (published.isCurrent && !(await isIntact(packages, tenantName, packageName)));
  if (isWanted) {
    await timerRegistration.check(place, inspected.manifest);
    await packages.upload(tenantName, packageName, bytes, packageFacts(inspected, PUBLISHED_BY));
  }
  // For the current version, whichever it is: the deployment may have other pools and subscriptions now.
  await timerRegistration.sync(place, inspected);
  return isWanted;
}

async function packagesIn(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).filter((name) => name.endsWith(".zip")).toSorted();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** After a deployment, new roles take up to ten minutes to apply. Until then storage answers 403. */
const PAUSES_MS = [1_000, 5_000, 15_000, 30_000];

export interface KeepPublishingDeps {
  readonly release: ReleasePublisher;
  /** Resolves after the time, or as soon as the signal fires. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: Logger;
}

/** Repeats until the release is published, while the API serves. Resolves at the latest when the signal fires. */
export async function keepPublishing({ release, sleep, log }: KeepPublishingDeps, signal: AbortSignal): Promise<void> {
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      await release.publish();
      return;
    } catch (error) {
      log.warn(
        { error: messageOf(error), code: isSystemError(error) ? error.code : undefined },
        "release not published yet",
      );
      await sleep(PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)] ?? 0, signal);
    }
  }
}

/** Whether the bytes of a package are the ones that were published. Reads the whole package. Throws UnavailableError. */
export async function isIntact(
  packages: Pick<PackageStore, "fetch">,
  tenantName: string,
  packageName: string,
): Promise<boolean> {
  try {
    return (await packages.fetch(tenantName, packageName, undefined)) !== undefined;
  } catch (error) {
    if (error instanceof PackageError) return false;
    throw error;
  }
}
