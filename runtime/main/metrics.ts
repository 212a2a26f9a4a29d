/** The instruments of a process, and what they recorded as the text that Prometheus reads. */
import { PrometheusExporter, PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { createInstruments, type Metrics } from "../telemetry/metrics.ts";
import { measureProcess } from "../telemetry/process-metrics.ts";

export interface ProcessMetrics {
  readonly metrics: Metrics;
  /** Throws when a gauge cannot be read. */
  text(): Promise<string>;
  close(): Promise<void>;
}

export function openMetrics(): ProcessMetrics {
  // Our own servers answer: they know who may ask.
  const reader = new PrometheusExporter({ preventServerStart: true });
  const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);
  const provider = new MeterProvider({ readers: [reader] });
  const metrics = createInstruments(provider.getMeter("jobyard"));
  const stopMeasuring = measureProcess(metrics);
  return {
    metrics,
    async text() {
      const { resourceMetrics, errors } = await reader.collect();
      if (errors.length > 0) throw new AggregateError(errors, "Some metrics could not be read.");
      return serializer.serialize(resourceMetrics);
    },
    async close() {
      stopMeasuring();
      await provider.shutdown();
    },
  };
}
