/** What has the registration of timers refuse a package: too many timers in all, or a worker pool there is not. */
import { createHash } from "node:crypto";
import { TIMERS_MAX_COUNT } from "../../../runtime/core/limits.ts";
import type { PackageCatalog } from "../../../runtime/core/ports/package-store.ts";
import type { TimerStore } from "../../../runtime/core/ports/timer-store.ts";
import { timerOf } from "../builders.ts";
import { testPackage } from "../packages/test-package.ts";
import { freshTenant } from "../stores/test-storage.ts";

const packageFor = (pool: string): Buffer =>
  testPackage({ jobs: { Tick: "return {};" }, timers: [{ timerName: "Tick", cron: "0 0 0 1 1 *", pool }] });

const TICKING = packageFor("default");
const HOMELESS = packageFor("nowhere");

export interface RegistrationDrivers {
  /** Other packages have as many timers as there may be, once a driver says so. */
  wrapTimers(timers: TimerStore): TimerStore;
  /** There is room again. */
  reset(): void;
  /** Of a package that would be fine, were there room. */
  crowdedOut(): Buffer;
  /** The path that would restore a version from when there was room, or another pool. */
  restoring(packages: Pick<PackageCatalog, "upload">, reason: "crowd" | "pool"): Promise<string>;
}

export function registrationDrivers(): RegistrationDrivers {
  let isFull = false;
  return {
    wrapTimers: (timers) => ({ ...timers, all: (onUnreadable) => (isFull ? full() : timers.all(onUnreadable)) }),
    reset() {
      isFull = false;
    },
    crowdedOut() {
      isFull = true;
      return TICKING;
    },
    async restoring(packages, reason) {
      const [tenantName, packageName] = [freshTenant(), "tick.zip"];
      const older = reason === "pool" ? HOMELESS : TICKING;
      const sha256 = createHash("sha256").update(older).digest("hex");
      const facts = { sha256, uploadedBy: "ann", jobTypes: ["Tick"], timerCount: 1 };
      await packages.upload(tenantName, packageName, older, facts);
      await packages.upload(tenantName, packageName, testPackage({ jobs: { Other: "return {};" } }));
      isFull = reason === "crowd";
      return `/v1/tenants/${tenantName}/packages/${packageName}/versions/${sha256}/restore`;
    },
  };
}

async function* full(): ReturnType<TimerStore["all"]> {
  await Promise.resolve();
  for (let i = 0; i < TIMERS_MAX_COUNT; i++) yield { value: timerOf({ timerName: `t${i}` }), etag: "" };
}
