/**
 * Where telemetry goes: providers, sampling and exporters. Without an exporter nothing is traced, sent or waited for, and
 * metrics can be read only. With one, everything that waits is bounded: what does not fit is dropped and counted, and no
 * job waits for it.
 */
import { context, metrics, trace } from "@opentelemetry/api";
import type { Logger as LogSink } from "@opentelemetry/api-logs";
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { type Resource, resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider, MetricReader, type ResourceMetrics } from "@opentelemetry/sdk-metrics";
import { sleep } from "../core/sleep.ts";
import type { TelemetrySettings } from "../core/settings/telemetry-settings.ts";
import { type Metrics, createInstruments } from "../telemetry/metrics.ts";

export interface TelemetryOptions {
  readonly settings: TelemetrySettings;
  /** `jobyard-api` or `jobyard-worker`. */
  readonly service: string;
  readonly version: string;
  readonly instance: string;
  readonly pool?: string | undefined;
  /** Longest wait for exporters at the end. Default CLOSE_WITHIN_MS. */
  readonly closeWithinMs?: number | undefined;
}

export interface Telemetry {
  readonly metrics: Metrics;
  /** Takes the lines of the log; undefined when nothing exports them. */
  readonly logs: LogSink | undefined;
  /** All metrics in Prometheus' text format. */
  readonly metricsText: () => Promise<string>;
  /** Sends what waits, within a bounded time. Never throws. */
  close(): Promise<void>;
}

/** What the serializer takes, in the words of the SDK that collects: each library brings a copy of its own. */
interface MetricsSerializer {
  serialize(metrics: ResourceMetrics): string;
}

const CLOSE_WITHIN_MS = 5_000;
const SCOPE = "jobyard";

/** Reads when it is asked. */
class PullReader extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const { settings, version, closeWithinMs = CLOSE_WITHIN_MS } = options;
  const reader = new PullReader();
  const resource = resourceOf(options);
  // Loaded only when wanted, because programs start faster without them.
  const exporting =
    settings.azureMonitor === undefined && settings.otlp === undefined
      ? undefined
      : await import("./telemetry-export.ts").then(({ prepareExport }) => prepareExport(settings, resource));
  const provider = new MeterProvider({ resource, readers: [reader, ...(exporting?.metricReaders ?? [])] });
  metrics.setGlobalMeterProvider(provider);
  const meter = provider.getMeter(SCOPE, version);
  const instruments = createInstruments(meter);
  const signals = exporting?.start(instruments.telemetryDropped);
  if (signals !== undefined) {
    context.setGlobalContextManager(signals.contextManager);
    trace.setGlobalTracerProvider(signals.tracerProvider);
  }
  const serializer: MetricsSerializer = new PrometheusSerializer();

  return {
    metrics: instruments,
    logs: signals?.loggerProvider.getLogger(SCOPE, version),
    async metricsText() {
      const { resourceMetrics } = await reader.collect();
      return serializer.serialize(resourceMetrics);
    },
    async close() {
      const inTime = new AbortController();
      // An exporter that is away fails or hangs here; what it did not take is lost either way.
      const closing = Promise.allSettled([
        signals?.tracerProvider.shutdown(),
        signals?.loggerProvider.shutdown(),
        provider.shutdown(),
      ]);
      await Promise.race([closing, sleep(closeWithinMs, inTime.signal)]);
      inTime.abort();
    },
  };
}

const resourceOf = ({ service, version, instance, pool }: TelemetryOptions): Resource =>
  resourceFromAttributes({
    "service.namespace": SCOPE,
    "service.name": service,
    "service.version": version,
    "service.instance.id": instance,
    ...(pool !== undefined && { "jobyard.pool": pool }),
  });
