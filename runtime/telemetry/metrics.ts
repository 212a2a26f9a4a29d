/**
 * Every metric of the system, in one table, and the instruments that record them. Names, units and attributes are a
 * contract: dashboards and alerts query them. Exporters are set up in `runtime/main`. Without one, recording does nothing.
 */
import type { Attributes, BatchObservableResult, Meter, Observable } from "@opentelemetry/api";

interface Metric {
  readonly name: `jobyard.${string}`;
  readonly kind: "counter" | "histogram" | "gauge";
  /** As OpenTelemetry writes units: `s`, `By`, or a noun in braces. */
  readonly unit: string;
  readonly description: string;
  readonly attributes: readonly string[];
}

const JOB = ["tenant", "type", "pool", "priority"] as const;

export const METRICS = {
  // --- Jobs: recorded by whoever writes the row
  jobsSubmitted: {
    ...{ name: "jobyard.job.submitted", kind: "counter", unit: "{job}", attributes: JOB },
    description: "Jobs whose row was inserted, runs of timers included.",
  },
  jobsEnded: {
    ...{ name: "jobyard.job.ended", kind: "counter", unit: "{job}", attributes: [...JOB, "outcome"] },
    description: "Ends of jobs: succeeded, failed or canceled. A job that is requeued can end again.",
  },
  jobWait: {
    ...{ name: "jobyard.job.wait", kind: "histogram", unit: "s", attributes: JOB },
    description: "From when a job may start to its claim. Takeovers are left out.",
  },
  jobDuration: {
    ...{ name: "jobyard.job.duration", kind: "histogram", unit: "s", attributes: [...JOB, "outcome"] },
    description: "From the claim to the recorded end of an attempt.",
  },
  jobAttempts: {
    ...{ name: "jobyard.job.attempts", kind: "counter", unit: "{attempt}", attributes: [...JOB, "outcome"] },
    description: "Started attempts that are over: succeeded, failed, canceled, interrupted, or lost to another worker.",
  },
  jobRetries: {
    ...{ name: "jobyard.job.retries", kind: "counter", unit: "{retry}", attributes: JOB },
    description: "Failed attempts after which the job waits for its next attempt.",
  },
  jobInterruptions: {
    ...{ name: "jobyard.job.interruptions", kind: "counter", unit: "{interruption}", attributes: JOB },
    description: "Attempts that the system ended: a drain, a fault, a lost worker.",
  },
  jobTakeovers: {
    ...{ name: "jobyard.job.takeovers", kind: "counter", unit: "{takeover}", attributes: JOB },
    description: "Running jobs that another worker started again, because their own was gone.",
  },

  // --- Queues: recorded by the API instance whose sweeper leads
  queueDepth: {
    ...{ name: "jobyard.queue.depth", kind: "gauge", unit: "{job}", attributes: ["pool"] },
    description: "Jobs that wait, those that are delayed included.",
  },
  queueOldestAge: {
    ...{ name: "jobyard.queue.oldest.age", kind: "gauge", unit: "s", attributes: ["pool", "priority"] },
    description: "How long the oldest job has waited that could start now. 0: none waits.",
  },

  // --- Workers
  workerSlots: {
    ...{ name: "jobyard.worker.slots", kind: "gauge", unit: "{slot}", attributes: ["pool"] },
    description: "Attempts that the worker can run at a time.",
  },
  workerSlotsUsed: {
    ...{ name: "jobyard.worker.slots.used", kind: "gauge", unit: "{slot}", attributes: ["pool"] },
    description: "Attempts that the worker runs now.",
  },
  workersSilent: {
    ...{ name: "jobyard.worker.silent", kind: "gauge", unit: "{worker}", attributes: ["pool"] },
    description: "Workers that hold claims and send no heartbeat. Recorded by the API instance whose sweeper leads.",
  },
  receiversReplaced: {
    ...{ name: "jobyard.worker.receivers.replaced", kind: "counter", unit: "{replacement}", attributes: ["pool"] },
    description: "Times that a worker's links to its queues were stuck and were replaced.",
  },
  processStart: {
    ...{ name: "jobyard.worker.start.duration", kind: "histogram", unit: "s", attributes: ["pool"] },
    description: "From a claimed job with its package to its code in a running process.",
  },
  packageLookups: {
    ...{ name: "jobyard.package.cache.lookups", kind: "counter", unit: "{lookup}", attributes: ["pool", "outcome"] },
    description: "Packages that attempts asked for: hit, the version was on disk; miss, it was downloaded.",
  },
  lockRenewals: {
    ...{ name: "jobyard.lock.renewals", kind: "counter", unit: "{renewal}", attributes: ["pool", "outcome"] },
    description: "Renewals of message locks: renewed, failed (repeated), or lost.",
  },

  // --- Rows, bells, events
  rowConflicts: {
    ...{ name: "jobyard.row.conflicts", kind: "counter", unit: "{write}", attributes: ["table"] },
    description: "Conditional writes that were refused, or whose answer was lost.",
  },
  ringerBacklog: {
    ...{ name: "jobyard.ringer.backlog", kind: "gauge", unit: "{bell}", attributes: [] },
    description: "Bells that wait for the broker in this API instance.",
  },
  eventsDropped: {
    ...{ name: "jobyard.events.dropped", kind: "counter", unit: "{event}", attributes: [] },
    description: "Events that were not published, because the broker was away for too long.",
  },
  eventsDelivered: {
    ...{ name: "jobyard.events.delivered", kind: "counter", unit: "{event}", attributes: [] },
    description: "Events passed to followers, each follower counted.",
  },
  timerRuns: {
    ...{ name: "jobyard.timer.runs", kind: "counter", unit: "{run}", attributes: ["tenant", "timer", "outcome"] },
    description: "Ticks of timers: started, late (started after the time of grace), skipped (overlap), or missed.",
  },
  webhookDeliveries: {
    ...{ name: "jobyard.webhook.deliveries", kind: "counter", unit: "{delivery}", attributes: ["tenant", "outcome"] },
    description: "Tries to deliver to webhooks: delivered, failed (tried again), or given-up.",
  },

  telemetryDropped: {
    ...{ name: "jobyard.telemetry.dropped", kind: "counter", unit: "{item}", attributes: ["signal"] },
    description: "Spans (traces) and log records (logs) that no exporter took.",
  },

  // --- API
  apiRequests: {
    ...{ name: "jobyard.api.requests", kind: "histogram", unit: "s", attributes: ["method", "route", "status"] },
    description: "Requests, from their headers to the end of the answer. Streams last as long as they are followed.",
  },
  apiFollowers: {
    ...{ name: "jobyard.api.followers", kind: "gauge", unit: "{follower}", attributes: [] },
    description: "Connections that follow events.",
  },

  auditLost: {
    ...{ name: "jobyard.audit.lost", kind: "counter", unit: "{entry}", attributes: [] },
    description: "Changes that could not be recorded in the audit. Each is an error in the log, with the whole entry.",
  },

  // --- Processes
  loopDelay: {
    ...{ name: "jobyard.process.loop.delay", kind: "gauge", unit: "s", attributes: [] },
    description: "The longest delay of the event loop since the last reading.",
  },
  processMemory: {
    ...{ name: "jobyard.process.memory", kind: "gauge", unit: "By", attributes: [] },
    description: "Resident memory of the process, without its jobs.",
  },
} as const satisfies Readonly<Record<string, Metric>>;

type MetricKey = keyof typeof METRICS;
type Named<K extends MetricKey> = { readonly [A in (typeof METRICS)[K]["attributes"][number]]: string };

export interface Counter<A> {
  add(count: number, attributes: A): void;
}

export interface Histogram<A> {
  record(value: number, attributes: A): void;
}

export interface Gauge<A> {
  /** Reads at every collection, until the returned function is called. */
  watch(read: () => Iterable<Reading<A>>): () => void;
}

export interface Reading<A> {
  readonly value: number;
  readonly attributes: A;
}

interface Kinds<A> {
  readonly counter: Counter<A>;
  readonly histogram: Histogram<A>;
  readonly gauge: Gauge<A>;
}

/** An instrument for each metric. */
export type Metrics = { readonly [K in MetricKey]: Kinds<Named<K>>[(typeof METRICS)[K]["kind"]] };

/** Values of one attribute that a process tells apart. Tenants and job types are named by callers, without an end. */
export const ATTRIBUTE_VALUES_MAX = 100;
/** Stands for every further value. */
export const OTHER = "other";
/** A longer value is cut. */
export const ATTRIBUTE_MAX_LENGTH = 128;

/** From the time of a request to that of a long job. */
const SECONDS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 86_400,
] as const;

export function createInstruments(meter: Meter, valuesMax = ATTRIBUTE_VALUES_MAX): Metrics {
  const bound = createBound(valuesMax);

  function instrument({ name, kind, ...options }: Metric): Kinds<Attributes>[Metric["kind"]] {
    const { unit, description } = options;
    switch (kind) {
      case "counter": {
        const counter = meter.createCounter(name, { unit, description });
        return { add: (count, attributes) => counter.add(count, bound(attributes)) };
      }
      case "histogram": {
        const advice = { explicitBucketBoundaries: [...SECONDS] };
        const histogram = meter.createHistogram(name, { unit, description, advice });
        return { record: (value, attributes) => histogram.record(Math.max(0, value), bound(attributes)) };
      }
      case "gauge":
        return gaugeOf(meter, meter.createObservableGauge(name, { unit, description }), bound);
    }
  }

  const made = Object.entries(METRICS).map(([key, metric]) => [key, instrument(metric)]);
  return Object.fromEntries(made) as Metrics;
}

type Bound = (attributes: Attributes) => Attributes;

function gaugeOf(meter: Meter, observable: Observable, bound: Bound): Gauge<Attributes> {
  return {
    watch(read) {
      const observe = (result: BatchObservableResult): void => {
        for (const { value, attributes } of read()) result.observe(observable, value, bound(attributes));
      };
      meter.addBatchObservableCallback(observe, [observable]);
      return () => meter.removeBatchObservableCallback(observe, [observable]);
    },
  };
}

/** The first values of an attribute stay, the others become one, so that no caller can make telemetry grow. */
function createBound(valuesMax: number): Bound {
  const seen = new Map<string, Set<string>>();

  function valueOf(name: string, value: string): string {
    const values = seen.get(name) ?? new Set();
    seen.set(name, values);
    const short = value.slice(0, ATTRIBUTE_MAX_LENGTH);
    if (values.has(short)) return short;
    if (values.size >= valuesMax) return OTHER;
    values.add(short);
    return short;
  }

  return (attributes) =>
    Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, valueOf(name, String(value))]));
}
