/** What a package's manifest says of its timers, complete: defaults filled in, names as they are everywhere. */
import { PackageError, type ErrorDetail } from "../errors.ts";
import { PACKAGE_MAX_TIMERS, TIMER_GRACE_DEFAULT_SECONDS } from "../limits.ts";
import { MANIFEST_FILE, type Manifest } from "../package/manifest.ts";
import { DEFAULT_PRIORITY } from "../job/priority.ts";
import type { Timer } from "./timer.ts";
import { DEFAULT_POOL } from "../deployment/topology.ts";

/** The package of a tenant that declares the timers. */
export interface PackagePlace {
  readonly tenantName: string;
  /** As published: ends in `.zip`. */
  readonly packageName: string;
}

/** A timer as its package declares it; what became of it is the rest of `Timer`. */
export type DeclaredTimer = Omit<
  Timer,
  "packageHash" | "registeredAt" | "activeFrom" | "scheduledUpTo" | "pausedAt" | "pausedBy" | "override"
>;

type Declaring = Pick<Manifest, "timers">;

export const declaredTimers = (
  { timers = [] }: Declaring,
  { tenantName, packageName }: PackagePlace,
): readonly DeclaredTimer[] =>
  timers.map((timer) => ({
    tenantName,
    packageName,
    timerName: timer.timerName,
    cron: timer.cron,
    timeZone: timer.timeZone ?? "UTC",
    misfire: timer.misfire ?? "once",
    overlap: timer.overlap ?? "skip",
    graceMs: (timer.graceSeconds ?? TIMER_GRACE_DEFAULT_SECONDS) * 1_000,
    runOnDeploy: timer.runOnDeploy ?? false,
    pool: timer.pool ?? DEFAULT_POOL,
    priority: timer.priority ?? DEFAULT_PRIORITY,
  }));

/** Refuses what no system with these worker pools can run. Throws PackageError "ManifestInvalid" naming every field. */
export function checkTimers({ timers = [] }: Declaring, pools: readonly string[]): void {
  const details: ErrorDetail[] = [
    ...(timers.length > PACKAGE_MAX_TIMERS
      ? [{ target: "timers", message: `expected at most ${PACKAGE_MAX_TIMERS} timers, not ${timers.length}` }]
      : []),
    ...timers.flatMap(({ pool = DEFAULT_POOL }, index) =>
      pools.includes(pool)
        ? []
        : [
            {
              target: `timers[${index}].pool`,
              message: `there is no worker pool ${pool}; there are ${pools.join(", ")}`,
            },
          ],
    ),
  ];
  const [first] = details;
  if (first === undefined) return;
  const more = details.length > 1 ? ` (and ${details.length - 1} more)` : "";
  throw new PackageError("ManifestInvalid", `${MANIFEST_FILE}: ${first.target}: ${first.message}${more}.`, { details });
}
