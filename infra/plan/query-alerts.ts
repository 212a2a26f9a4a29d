/**
 * The alert rules on the metrics of Jobyard, as data. Azure runs their queries over the Log Analytics workspace.
 * `metric-alerts.ts` has the rules on Azure's own metrics.
 */
import {
  DEAF_WORKERS,
  jobFailuresQuery,
  oldestWaitingQuery,
  POOL_ASLEEP,
  SILENT_WORKERS,
  SYSTEM_SILENT,
  TELEMETRY_CAP,
  TIMER_MISSED,
} from "./queries/alert-queries.ts";
import type { Query } from "./queries/query.ts";
import { SETTINGS } from "./settings.ts";

/** What every alert has. docs/operate.md has a section for each id. */
export interface AlertRule {
  /** Logical name, and the name shown. */
  readonly id: string;
  readonly description: string;
  /** 0 critical to 4 verbose. */
  readonly severity: 0 | 1 | 2 | 3;
  readonly everyMinutes: number;
  readonly windowMinutes: number;
}

export interface QueryAlertPlan extends AlertRule {
  /** Its rows are problems. Any row raises the alert. */
  readonly kql: string;
  /** Columns of the rows. The alert is raised separately for each of their values. */
  readonly splitBy: readonly string[];
}

export interface AlertLimits {
  /** Minutes that the oldest job of a queue may wait. */
  readonly oldestWaitingMinutes: number;
  /** Percentage of a job type's jobs that may fail. */
  readonly failurePercent: number;
  /** Whether the workspace has a daily limit. */
  readonly hasDailyCap: boolean;
}

/** The limits of a stack that sets none. */
export const DEFAULT_ALERT_LIMITS = {
  oldestWaitingMinutes: SETTINGS.oldestWaitingAlertMinutes.fallback,
  failurePercent: SETTINGS.failureAlertPercent.fallback,
} as const;

/** Azure bills rules by frequency. This is the cheapest, and operators do not act faster. */
const EVERY_MINUTES = 15;

export const planQueryAlerts = (limits: AlertLimits): readonly QueryAlertPlan[] => [
  alert(oldestWaitingQuery(limits.oldestWaitingMinutes), 2, ["pool", "priority"], {
    description: `The oldest job of a queue has waited for more than ${limits.oldestWaitingMinutes} minutes.`,
  }),
  alert(jobFailuresQuery(limits.failurePercent), 2, ["tenant", "type"], {
    description: `More than ${limits.failurePercent} % of the jobs of a type failed within an hour.`,
    windowMinutes: 60,
  }),
  alert(TIMER_MISSED, 2, ["tenant", "timer"], {
    description: "A timer did not run at its time, and the run was not made up.",
  }),
  alert(SILENT_WORKERS, 2, ["pool"], {
    description: "A worker holds jobs but sends no heartbeats. Its jobs start again elsewhere.",
  }),
  alert(DEAF_WORKERS, 3, ["pool"], {
    description: "A worker received nothing although messages were waiting. It replaced its links.",
  }),
  alert(POOL_ASLEEP, 1, ["pool"], {
    description: "Jobs of a pool wait, and the pool has no worker.",
  }),
  alert(SYSTEM_SILENT, 1, [], {
    description: "No API instance has sent telemetry for 30 minutes.",
    windowMinutes: 30,
  }),
  ...(limits.hasDailyCap
    ? [
        alert(TELEMETRY_CAP, 1, [], {
          description: "The daily limit of telemetry was reached. Until tomorrow most other alerts see nothing.",
        }),
      ]
    : []),
];

const alert = (
  { id, kql }: Query,
  severity: AlertRule["severity"],
  splitBy: readonly string[],
  { description, windowMinutes = EVERY_MINUTES }: { readonly description: string; readonly windowMinutes?: number },
): QueryAlertPlan => ({ id, description, severity, kql, splitBy, everyMinutes: EVERY_MINUTES, windowMinutes });
