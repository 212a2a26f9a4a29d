/**
 * The metrics of Jobyard that queries read, with their attributes, and how a query reads them. Application Insights
 * stores one row for each metric, set of attributes and minute. A counter and a histogram have their sum since the last
 * row in `Sum`, and a histogram its number of values in `ItemCount`. A gauge has its value in `Sum`.
 */

/** Attributes by metric: only those that queries use. */
export const METRICS = {
  "jobyard.queue.depth": ["pool"],
  "jobyard.queue.oldest.age": ["pool", "priority"],
  "jobyard.job.submitted": ["tenant", "type", "pool"],
  "jobyard.job.wait": ["tenant", "type", "pool", "priority"],
  "jobyard.job.duration": ["tenant", "type", "pool", "outcome"],
  "jobyard.job.ended": ["tenant", "type", "pool", "outcome"],
  "jobyard.job.retries": ["tenant", "type", "pool"],
  "jobyard.job.interruptions": ["tenant", "type", "pool"],
  "jobyard.job.takeovers": ["tenant", "type", "pool"],
  "jobyard.worker.slots": ["pool"],
  "jobyard.worker.slots.used": ["pool"],
  "jobyard.worker.silent": ["pool"],
  "jobyard.worker.receivers.replaced": ["pool"],
  "jobyard.package.cache.lookups": ["pool", "outcome"],
  "jobyard.timer.runs": ["tenant", "timer", "outcome"],
  "jobyard.webhook.deliveries": ["tenant", "outcome"],
  "jobyard.events.dropped": [],
  "jobyard.api.followers": [],
  "jobyard.api.requests": ["method", "route", "status"],
  "jobyard.process.loop.delay": [],
  "jobyard.process.memory": [],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type MetricName = keyof typeof METRICS;

/** The rows of one metric. Each named attribute becomes a column. */
export function rowsOf<Name extends MetricName>(
  name: Name,
  ...attributes: readonly (typeof METRICS)[Name][number][]
): string {
  const columns = attributes.map((attribute) => `${attribute} = tostring(Properties["${attribute}"])`);
  return [
    "AppMetrics",
    `| where Name == "${name}"`,
    ...(columns.length === 0 ? [] : [`| extend ${columns.join(", ")}`]),
  ].join("\n");
}

/** The rows of several metrics, told apart by their column `Name`. */
export const rowsOfAny = (...names: readonly MetricName[]): string =>
  `AppMetrics\n| where Name in (${names.map((name) => `"${name}"`).join(", ")})`;

/** The average of a histogram: Application Insights keeps no buckets, so there are no percentiles of metrics. */
export const AVERAGE = "sum(Sum) / sum(ItemCount)";
