/** Generates the parts of docs/operate.md that come from the code: alerts, queries, size of the telemetry. */
import { PRICE } from "../plan/costs.ts";
import { planMetricAlerts } from "../plan/metric-alerts.ts";
import { DEFAULT_ALERT_LIMITS, planQueryAlerts } from "../plan/query-alerts.ts";
import { JOB_TYPE_QUERIES, ONE_JOB_QUERIES, OVERVIEW_QUERIES, TENANT_QUERIES } from "../plan/queries/job-queries.ts";
import { PROCESS_QUERIES, TIMER_QUERIES, WORKER_QUERIES } from "../plan/queries/system-queries.ts";
import { SETTINGS } from "../plan/settings.ts";
import { gigabytesOf, metricsOfMonth, telemetryOfMillionJobs, type TelemetryLine } from "../plan/telemetry-size.ts";
import { code, withQueries, withTables, type Table } from "./generated-parts.ts";

/** Every alert that a stack can have, with the default limits. */
const QUERY_ALERTS = planQueryAlerts({ ...DEFAULT_ALERT_LIMITS, hasDailyCap: true });
export const ALERTS = [...QUERY_ALERTS, ...planMetricAlerts({ backlog: SETTINGS.backlogAlert.fallback })];

const SEVERITY = ["critical", "error", "warning", "information"] as const;

const alertsTable = (): Table => [
  ["alert", "severity", "looks back", "meaning"],
  ...ALERTS.map(({ id, severity, windowMinutes, description }) => [
    `[${code(id)}](#${id})`,
    `${severity}, ${SEVERITY[severity]}`,
    `${windowMinutes} min`,
    description,
  ]),
];

const sizeRow = (line: TelemetryLine): readonly string[] => {
  const gigabytes = gigabytesOf(line);
  return [
    line.what,
    String(Math.round(line.records * line.share)),
    String(line.bytes),
    `${gigabytes} GB`,
    `$${(gigabytes * PRICE.logGb).toFixed(2)}`,
  ];
};

/** Rounded down to thousands. */
function jobsInOneGigabyte(): number {
  const ofMillion = telemetryOfMillionJobs(SETTINGS.traceRatio.fallback).reduce(
    (sum, line) => sum + gigabytesOf(line),
    0,
  );
  return Math.floor(1_000 / ofMillion) * 1_000;
}

const sizeTable = (): Table => [
  ["what", "records", "bytes each", "size", "cost"],
  ...[...telemetryOfMillionJobs(SETTINGS.traceRatio.fallback), metricsOfMonth("api"), metricsOfMonth("worker")].map(
    sizeRow,
  ),
  ["jobs that fit into a daily limit of 1 GB", String(jobsInOneGigabyte()), "", "1 GB", `$${PRICE.logGb.toFixed(2)}`],
];

/** By the id in the marker before each query. Each begins with a comment, which stays with a copy of the query. */
export const DOCUMENTED_QUERIES: ReadonlyMap<string, string> = new Map(
  [
    ...QUERY_ALERTS.map(({ id, kql, description }) => ({ id, kql, title: description })),
    ...OVERVIEW_QUERIES,
    ...JOB_TYPE_QUERIES,
    ...TENANT_QUERIES,
    ...TIMER_QUERIES,
    ...WORKER_QUERIES,
    ...PROCESS_QUERIES,
    ...ONE_JOB_QUERIES,
  ].map(({ id, title, kql }) => [id, `// ${id}: ${title}\n${kql}`]),
);

/** Returns docs/operate.md with its generated parts. Throws RangeError if a marker is missing. */
export const withOperateParts = (document: string): string =>
  withQueries(withTables(document, { alerts: alertsTable, "telemetry-size": sizeTable }), DOCUMENTED_QUERIES);
