/** What has the registration of timers refuse a package: too many timers in all, or a worker pool there is not. */
import { createHash } from "node:crypto";
import { TIMERS_MAX_COUNT } from "../../runtime/core/limits.ts";
import type { PackageCatalog } from "../../runtime/core/ports/package-store.ts";
import type { TimerStore } from "../../runtime/core/ports/timer-store.ts";
import { timerOf } from "./builders.ts";
import { testPackage } from "./test-package.ts";

const packageFor = (pool: string): Buffer =>
  testPackage({ jobs: { Tick: "return {};" }, timers: [{ timerName: "Tick", cron: "0 0 0 1 1 *", pool }] });

/** Asks for nothing that is not there, but for room. */
export const TICKING = packageFor("default");
const HOMELESS = packageFor("nowhere");

export interface Crowd {
  /** While it is set, other packages have as many timers as there may be. */
  isFull: boolean;
}

export const crowded = (timers: TimerStore, crowd: Crowd): TimerStore => ({
  ...timers,
  all: (onUnreadable) => (crowd.isFull ? full() : timers.all(onUnreadable)),
});

async function* full(): ReturnType<TimerStore["all"]> {
  await Promise.resolve();
  for (let i = 0; i < TIMERS_MAX_COUNT; i++) yield { value: timerOf({ timerName: `t${i}` }), etag: "" };
}

/** Two versions; the older one is from when there were other pools, or less of a crowd. Resolves to its hash. */
export async function outdated(
  packages: Pick<PackageCatalog, "upload">,
  tenantName: string,
  packageName: string,
  reason: "pool" | "crowd",
): Promise<string> {
  const older = reason === "pool" ? HOMELESS : TICKING;
  const sha256 = createHash("sha256").update(older).digest("hex");
  await packages.upload(tenantName, packageName, older, {
    sha256,
    uploadedBy: "ann",
    jobTypes: ["Tick"],
    timerCount: 1,
  });
  await packages.upload(tenantName, packageName, testPackage({ jobs: { Other: "return {};" } }));
  return sha256;
}
