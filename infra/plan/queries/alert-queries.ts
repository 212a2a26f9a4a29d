/** The queries of alerts. Each returns one row for each problem, so a rule that finds any row raises the alert. */
import { query, type Query } from "./query.ts";
import { rowsOf } from "./metrics.ts";

/** Fewer ended jobs say nothing about a rate. */
const RATE_NEEDS_JOBS = 10;

/** The longest wait at which a sleeping pool still wakes normally: autoscale reads late, and a machine boots. */
const WAKE_MINUTES = 15;

export const oldestWaitingQuery = (minutes: number): Query =>
  query(
    "oldest-waiting",
    "Queues whose oldest job waits too long",
    "table",
    rowsOf("jobyard.queue.oldest.age", "pool", "priority"),
    "| summarize minutes = max(Sum) / 60 by pool, priority",
    `| where minutes > ${minutes}`,
  );

export const jobFailuresQuery = (percent: number): Query =>
  query(
    "job-failures",
    "Job types that fail too often",
    "table",
    rowsOf("jobyard.job.ended", "tenant", "type", "outcome"),
    '| summarize failed = sumif(Sum, outcome == "failed"), ended = sum(Sum) by tenant, type',
    `| where ended >= ${RATE_NEEDS_JOBS} and 100 * failed > ${percent} * ended`,
  );

export const TIMER_MISSED = query(
  "timer-missed",
  "Timers that missed a run",
  "table",
  rowsOf("jobyard.timer.runs", "tenant", "timer", "outcome"),
  '| where outcome == "missed"',
  "| summarize missed = sum(Sum) by tenant, timer",
  "| where missed > 0",
);

export const SILENT_WORKERS = query(
  "silent-workers",
  "Pools with a worker that holds jobs and is silent",
  "table",
  rowsOf("jobyard.worker.silent", "pool"),
  "| summarize silent = max(Sum) by pool",
  "| where silent > 0",
);

export const DEAF_WORKERS = query(
  "deaf-workers",
  "Workers that replaced links because they received nothing",
  "table",
  rowsOf("jobyard.worker.receivers.replaced", "pool"),
  "| summarize replaced = sum(Sum) by pool, worker = AppRoleInstance",
  "| where replaced > 0",
);

export const POOL_ASLEEP = query(
  "pool-asleep",
  "Pools with waiting jobs and no worker",
  "table",
  rowsOf("jobyard.queue.oldest.age", "pool"),
  "| summarize minutes = max(Sum) / 60 by pool",
  `| where minutes > ${WAKE_MINUTES}`,
  "| join kind=leftanti (",
  rowsOf("jobyard.worker.slots", "pool"),
  "| distinct pool) on pool",
);

/** Every API instance reports its followers every minute, even if there is none. Other metrics of an idle stack may be absent. */
export const SYSTEM_SILENT = query(
  "system-silent",
  "No API instance sends telemetry",
  "table",
  rowsOf("jobyard.api.followers"),
  "| summarize reports = count()",
  "| where reports == 0",
);

/** https://learn.microsoft.com/azure/azure-monitor/logs/daily-cap#alert-when-daily-cap-is-reached */
export const TELEMETRY_CAP = query(
  "telemetry-cap",
  "The daily limit of telemetry was reached",
  "table",
  '_LogOperation | where Category =~ "Ingestion" | where Detail contains "OverQuota"',
  "| project TimeGenerated, Detail",
);
