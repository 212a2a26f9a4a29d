/**
 * What the leading sweeper knows of queues and workers, as gauges. Take the maximum over all instances: others show nothing,
 * or 0 for what they showed when they led. Silence would not do: the SDK goes on to show the last value of a gauge.
 */
import type { Metrics } from "../telemetry/metrics.ts";
import type { QueueAge } from "./queue-ages.ts";

export type QueueMetrics = Pick<Metrics, "queueDepth" | "queueOldestAge" | "workersSilent">;

type Counts = ReadonlyMap<string, number>;

export interface QueueGauges {
  /** By pool. Returns the counts of queued jobs of all pools that were ever shown: 0 for those that are not given now. */
  show(queuedCounts: Counts, silentCounts: Counts): Counts;
  showAges(ages: readonly QueueAge[]): void;
  /** Another process leads, or this one could not look. */
  clear(): void;
  stop(): void;
}

export function createQueueGauges({ queueDepth, queueOldestAge, workersSilent }: QueueMetrics): QueueGauges {
  let queued: Counts = new Map();
  let silent: Counts = new Map();
  let ages: readonly QueueAge[] = [];
  const byPool = (counts: Counts) => [...counts].map(([pool, value]) => ({ value, attributes: { pool } }));
  const stops = [
    queueDepth.watch(() => byPool(queued)),
    workersSilent.watch(() => byPool(silent)),
    queueOldestAge.watch(() =>
      ages.map(({ pool, priority, oldestMs }) => ({ value: oldestMs / 1_000, attributes: { pool, priority } })),
    ),
  ];
  const zeros = (counts: Counts) => new Map([...counts.keys()].map((pool) => [pool, 0]));
  return {
    show(queuedCounts, silentCounts) {
      queued = new Map([...zeros(queued), ...queuedCounts]);
      silent = new Map([...zeros(silent), ...silentCounts]);
      return queued;
    },
    showAges(found) {
      ages = found;
    },
    clear() {
      queued = zeros(queued);
      silent = zeros(silent);
      ages = ages.map((age) => ({ ...age, oldestMs: 0 }));
    },
    stop() {
      for (const stop of stops) stop();
    },
  };
}
