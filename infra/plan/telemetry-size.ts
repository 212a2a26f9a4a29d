/**
 * How much telemetry a deployment sends. Application Insights bills by size. The sizes are those of the exporter's records
 * in JSON; what Azure bills differs a little. docs/operate.md has a query for the real numbers.
 */

/** Bytes of one record, with the attributes that Jobyard gives it. */
const BYTES = { logLine: 900, span: 1_100, metricRow: 650 } as const;

/** Of a job that succeeds at once, submitted alone. The API writes one line for a request, the worker two for an attempt. */
const LOG_LINES_A_JOB = 3;
/** Submit, send, attempt, claim, package, process, artifacts, settle. */
const SPANS_A_JOB = 8;
const GIGABYTE = 1_000_000_000;
const MILLION = 1_000_000;
const MINUTES_A_MONTH = 730 * 60;

/** Rows a minute of a process without work, with one pool: each gauge is a row. */
const IDLE_ROWS = { api: 10, worker: 4 } as const;

export interface TelemetryLine {
  readonly what: string;
  /** Without sampling. */
  readonly records: number;
  readonly bytes: number;
  /** The share that is sent. */
  readonly share: number;
}

const rounded = (gigabytes: number): number => Math.round(gigabytes * 100) / 100;

export const gigabytesOf = ({ records, bytes, share }: TelemetryLine): number =>
  rounded((records * bytes * share) / GIGABYTE);

/** Of a million single jobs. Metrics are not among them: they grow with processes and time. */
export const telemetryOfMillionJobs = (traceRatio: number): readonly TelemetryLine[] => [
  {
    what: `log lines: ${LOG_LINES_A_JOB} a job`,
    records: LOG_LINES_A_JOB * MILLION,
    bytes: BYTES.logLine,
    share: 1,
  },
  {
    what: `traces: ${SPANS_A_JOB} spans of a job, ${traceRatio * 100} % of the jobs`,
    records: SPANS_A_JOB * MILLION,
    bytes: BYTES.span,
    share: traceRatio,
  },
];

/** The metrics of one process in a month. A worker with jobs adds a few rows a minute for each job type it runs. */
export const metricsOfMonth = (process: "api" | "worker", count = 1): TelemetryLine => ({
  what: `metrics of ${process === "api" ? "an API instance" : "a worker"} in a month, ${IDLE_ROWS[process]} rows a minute`,
  records: IDLE_ROWS[process] * MINUTES_A_MONTH * count,
  bytes: BYTES.metricRow,
  share: 1,
});
