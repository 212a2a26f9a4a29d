/**
 * Where telemetry goes: providers, sampling and exporters. Without an exporter nothing is traced, sent or waited for, and
 * metrics can be read only. With one, everything that waits is bounded: what does not fit is dropped and counted, and no
 * job waits for it.
 */
import { DiagLogLevel, context, diag, metrics, trace } from "@opentelemetry/api";
import type { Logger as LogSink } from "@opentelemetry/api-logs";
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { type Resource, resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider, MetricReader, type ResourceMetrics } from "@opentelemetry/sdk-metrics";
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import { sleep } from "../core/sleep.ts";
import type { TelemetrySettings } from "../core/settings/telemetry-settings.ts";
import { type Metrics, createInstruments } from "../telemetry/metrics.ts";
import { LAST_WORDS_MS } from "./service-process.ts";

export interface TelemetryOptions {
  readonly settings: TelemetrySettings;
  /** `jobyard-api` or `jobyard-worker`. */
  readonly service: string;
  readonly version: string;
  readonly instance: string;
  readonly pool?: string | undefined;
  /** Longest wait for exporters at the end. Default LAST_WORDS_MS, after which the process ends. */
  readonly closeWithinMs?: number | undefined;
}

export interface Telemetry {
  readonly metrics: Metrics;
  /** Takes the lines of the log; undefined when nothing exports them. */
  readonly logs: LogSink | undefined;
  /** All metrics in Prometheus' text format, without those that cannot be read. */
  readonly metricsText: () => Promise<string>;
  /** Names what goes wrong in telemetry itself: an exporter that is away, a metric that cannot be read. At most once a minute. */
  reportTo(log: Pick<Logger, "warn">, monotonicNow: Clock["monotonicNow"]): void;
  /** Sends what waits, within a bounded time. Never throws. */
  close(): Promise<void>;
}

/** What the serializer takes, in the words of the SDK that collects: each library brings a copy of its own. */
interface MetricsSerializer {
  serialize(metrics: ResourceMetrics): string;
}

const SCOPE = "jobyard";
const REPORT_EVERY_MS = 60_000;
/** Libraries report errors with stacks and answers. */
const REPORT_MAX_LENGTH = 500;

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
  const { settings, version, closeWithinMs = LAST_WORDS_MS } = options;
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
      const { resourceMetrics, errors } = await reader.collect();
      for (const error of errors) diag.error(error instanceof Error ? error.message : String(error));
      return serializer.serialize(resourceMetrics);
    },
    reportTo(log, monotonicNow) {
      let nextAt = 0;
      const nothing = (): void => undefined;
      const error = (...what: readonly unknown[]): void => {
        if (monotonicNow() < nextAt) return;
        nextAt = monotonicNow() + REPORT_EVERY_MS;
        log.warn({ error: what.map(String).join(" ").slice(0, REPORT_MAX_LENGTH) }, "telemetry has a fault");
      };
      // Where OpenTelemetry's libraries and exporters report.
      const reporter = { error, warn: nothing, info: nothing, debug: nothing, verbose: nothing };
      diag.setLogger(reporter, { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true });
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
      for (const api of [trace, context, metrics, diag]) api.disable();
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
