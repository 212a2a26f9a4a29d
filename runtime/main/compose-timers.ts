/** Puts together what registers the timers of packages, and what looks after them. */
import type { Ringer } from "../api/ringer.ts";
import { createVersionRuns } from "../api/version-runs.ts";
import type { Logger } from "../core/logger.ts";
import type { TenantStore } from "../core/ports/tenant-store.ts";
import type { ApiSettings } from "../core/settings/api.ts";
import type { JobEvents } from "../jobs/job-events.ts";
import { createTimerReconcile, type TimerReconcile } from "../timers/reconcile.ts";
import { createTimerRegistration, type TimerRegistration } from "../timers/registration.ts";
import type { Services } from "./connect.ts";

export interface ComposeTimersDeps {
  readonly connected: Pick<Services, "jobs" | "batches" | "packages" | "timers" | "timerSubscriptions">;
  readonly settings: Pick<ApiSettings, "pools" | "timerRegistration">;
  readonly ringer: Ringer;
  readonly events: JobEvents;
  readonly tenants: TenantStore;
  /** Told after timers were registered. */
  readonly onChange: () => void;
  readonly now: () => Date;
  /** Throws when this process's clock cannot be trusted. */
  readonly trustedNow: () => Date;
  readonly log: Logger;
}

export interface ComposedTimers {
  readonly timerRegistration: TimerRegistration;
  readonly timerReconcile: TimerReconcile;
}

export function composeTimers(deps: ComposeTimersDeps): ComposedTimers {
  const { connected, settings, ringer, events, tenants, onChange, now, trustedNow, log } = deps;
  const { jobs, batches, packages, timers } = connected;
  const { pools } = settings;
  const subscriptions = settings.timerRegistration ? connected.timerSubscriptions() : undefined;
  const runForVersion = createVersionRuns({ batches, jobs, ringer, events, now });
  const timerRegistration = createTimerRegistration({
    ...{ packages, timers, subscriptions, pools, runForVersion, onChange, now: trustedNow, log },
  });
  const timerReconcile = createTimerReconcile({
    ...{ packages, tenants, timers, subscriptions, pools, log },
    registration: timerRegistration,
  });
  return { timerRegistration, timerReconcile };
}
