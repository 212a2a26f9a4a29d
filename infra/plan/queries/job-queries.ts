/** Queries about jobs: of the whole system, of each job type, of each tenant, and of one job. */
import { AVERAGE, rowsOf, rowsOfAny } from "./metrics.ts";
import { query, type Query } from "./query.ts";

/** From a metric's rows with the column `outcome`. */
const COUNTS = [
  'succeeded = sumif(Sum, outcome == "succeeded")',
  'failed = sumif(Sum, outcome == "failed")',
  'canceled = sumif(Sum, outcome == "canceled")',
].join(", ");
const FAILED_PERCENT = "| extend failedPercent = round(100.0 * failed / (succeeded + failed + canceled), 1)";

export const OVERVIEW_QUERIES: readonly Query[] = [
  query(
    "jobs-ended",
    "Jobs that ended, by outcome",
    "time",
    rowsOf("jobyard.job.ended", "outcome"),
    "| summarize jobs = sum(Sum) by outcome, bin(TimeGenerated, 5m)",
  ),
  query(
    "queue-depth",
    "Waiting jobs by pool, delayed ones included",
    "time",
    rowsOf("jobyard.queue.depth", "pool"),
    "| summarize jobs = max(Sum) by pool, bin(TimeGenerated, 5m)",
  ),
  query(
    "oldest-waiting-age",
    "Age of the oldest waiting job by queue, in minutes",
    "time",
    rowsOf("jobyard.queue.oldest.age", "pool", "priority"),
    '| summarize minutes = max(Sum) / 60 by queue = strcat(pool, "/", priority), bin(TimeGenerated, 5m)',
  ),
  query(
    "api-requests",
    "Requests of the API by route and status",
    "table",
    rowsOf("jobyard.api.requests", "method", "route", "status"),
    `| summarize requests = sum(ItemCount), averageSeconds = ${AVERAGE}, longestSeconds = max(Max)`,
    "    by method, route, status",
    "| order by requests desc",
  ),
  query(
    "events-dropped",
    "Events that were not published, because the broker was away too long",
    "time",
    rowsOf("jobyard.events.dropped"),
    "| summarize events = sum(Sum) by bin(TimeGenerated, 15m)",
  ),
  query(
    "errors",
    "Warnings and errors in the logs, most frequent first",
    "table",
    "AppTraces | where SeverityLevel >= 2",
    "| summarize lines = sum(ItemCount), latest = max(TimeGenerated) by AppRoleName, Message",
    "| top 50 by lines",
  ),
];

export const JOB_TYPE_QUERIES: readonly Query[] = [
  query(
    "job-types",
    "Outcomes by job type",
    "table",
    rowsOf("jobyard.job.ended", "tenant", "type", "outcome"),
    `| summarize ${COUNTS} by tenant, type`,
    FAILED_PERCENT,
    "| order by failed desc",
  ),
  query(
    "job-type-times",
    "Wait and run time by job type, in seconds",
    "table",
    rowsOf("jobyard.job.wait", "tenant", "type"),
    `| summarize averageWait = ${AVERAGE}, longestWait = max(Max) by tenant, type`,
    "| join kind=fullouter (",
    rowsOf("jobyard.job.duration", "tenant", "type"),
    `| summarize runs = sum(ItemCount), averageRun = ${AVERAGE}, longestRun = max(Max) by tenant, type) on tenant, type`,
    "| project tenant = coalesce(tenant, tenant1), type = coalesce(type, type1),",
    "    runs, averageWait, longestWait, averageRun, longestRun",
    "| order by runs desc",
  ),
  query(
    "job-type-repeats",
    "Retries, interruptions and takeovers by job type",
    "bars",
    rowsOfAny("jobyard.job.retries", "jobyard.job.interruptions", "jobyard.job.takeovers"),
    '| summarize times = sum(Sum) by what = Name, type = tostring(Properties["type"])',
    "| order by times desc",
  ),
  query(
    "slowest-runs",
    "The slowest runs that were sampled",
    "table",
    'AppRequests | extend job = tostring(Properties["jobyard.job.id"])',
    "| where isnotempty(job)",
    "| top 50 by DurationMs",
    "| project TimeGenerated, seconds = DurationMs / 1000, job,",
    '    type = tostring(Properties["jobyard.job.type"]), Success, OperationId',
  ),
];

export const TENANT_QUERIES: readonly Query[] = [
  query(
    "tenants",
    "Outcomes by tenant",
    "table",
    rowsOf("jobyard.job.ended", "tenant", "outcome"),
    `| summarize ${COUNTS} by tenant`,
    FAILED_PERCENT,
    "| order by succeeded desc",
  ),
  query(
    "tenant-submits",
    "Submitted jobs by tenant",
    "time",
    rowsOf("jobyard.job.submitted", "tenant"),
    "| summarize jobs = sum(Sum) by tenant, bin(TimeGenerated, 5m)",
  ),
  query(
    "tenant-run-time",
    "Run time by tenant, in hours",
    "bars",
    rowsOf("jobyard.job.duration", "tenant"),
    "| summarize hours = sum(Sum) / 3600 by tenant",
    "| order by hours desc",
  ),
  query(
    "webhooks",
    "Deliveries of webhooks by tenant",
    "table",
    rowsOf("jobyard.webhook.deliveries", "tenant", "outcome"),
    "| summarize deliveries = sum(Sum) by tenant, outcome",
  ),
];

/** For docs/operate.md only: each needs the id of a job. */
export const ONE_JOB_QUERIES: readonly Query[] = [
  query(
    "job-log-lines",
    "All log lines about one job",
    "table",
    'AppTraces | where tostring(Properties["jobId"]) == "JOB_ID"',
    "| project TimeGenerated, AppRoleName, AppRoleInstance, Message, Properties",
    "| order by TimeGenerated asc",
  ),
  query(
    "job-trace",
    "The trace of one job, if it was sampled",
    "table",
    "let operations = union AppRequests, AppDependencies",
    '    | where tostring(Properties["jobyard.job.id"]) == "JOB_ID" | distinct OperationId;',
    "union AppRequests, AppDependencies | where OperationId in (operations)",
    "| project TimeGenerated, AppRoleName, Name, DurationMs, Success, ParentId, Id",
    "| order by TimeGenerated asc",
  ),
];
