/**
 * Publishes the job packages that were released with the API. Each version once: what a tenant's people publish
 * afterwards, or go back to, is left alone by every later start. Instances that start together do no harm.
 */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { ConflictError, PackageError, isSystemError, messageOf } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { PackageCatalog, PackageStore } from "../core/ports/package-store.ts";
import type { TenantStore } from "../core/ports/tenant-store.ts";
import { inspectPackage, packageFacts } from "../package/read/inspect-package.ts";
import type { TimerRegistration } from "../timers/register/registration.ts";

export interface PublishReleaseDeps {
  readonly packages: Pick<PackageCatalog, "versions" | "upload" | "fetch">;
  readonly tenants: Pick<TenantStore, "get" | "create">;
  readonly timerRegistration: Pick<TimerRegistration, "check" | "sync">;
  /** Holds the packages, by the names jobs give them; may be absent. */
  readonly directory: string;
  readonly tenantName: string;
  readonly now: () => Date;
  readonly log: Logger;
}

/** Shown with the package, where a person's name would be. */
const PUBLISHED_BY = "release";

export interface ReleasePublisher {
  /** Whether the release holds this package and is not done with it: submits of its jobs are worth repeating. */
  isPending(tenantName: string, packageName: string): boolean;
  /**
   * Registers their timers too. A package nobody can use is logged and passed over. Throws UnavailableError; a repetition
   * goes on from there.
   */
  publish(): Promise<void>;
}

/** Looks what there is to publish, so that the API can say so before it serves. */
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
          log.error({ tenantName, packageName, error: error.message }, "released package refused");
        }
        pending.delete(packageName);
      }
    },
  };
}

/** False: this version was published before, and stays. */
async function publish(packageName: string, deps: PublishReleaseDeps): Promise<boolean> {
  const { directory, packages, tenantName, timerRegistration } = deps;
  const place = { tenantName, packageName };
  const bytes = await readFile(join(directory, packageName));
  const inspected = await inspectPackage(bytes);
  const versions = await packages.versions(tenantName, packageName);
  const published = versions.find(({ sha256 }) => sha256 === inspected.sha256);
  // A version that is current and whose bytes were replaced is repaired.
  const isWanted =
    published === undefined || (published.isCurrent && !(await isIntact(packages, tenantName, packageName)));
  if (isWanted) {
    await timerRegistration.check(place, inspected.manifest);
    await packages.upload(tenantName, packageName, bytes, packageFacts(inspected, PUBLISHED_BY));
  }
  // Of the version that is current, whichever that is: the deployment may have other pools now, and other subscriptions.
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

/** Right after a deployment roles are on their way for up to ten minutes, and storage answers 403. */
const PAUSES_MS = [1_000, 5_000, 15_000, 30_000];

export interface KeepPublishingDeps {
  readonly release: ReleasePublisher;
  /** Resolves after the time, or as soon as the signal fires. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: Logger;
}

/** Until it is done; the API serves meanwhile. Resolves at the latest when the signal fires. */
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

// Whether the bytes of a published package are still those that were published.

/** Reads the whole package. Throws UnavailableError. */
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
