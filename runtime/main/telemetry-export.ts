/** The exporting half of telemetry, loaded when there is an exporter: sampling, bounded queues, OTLP and Azure Monitor. */
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import type { Resource } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, type LogRecordExporter, LoggerProvider } from "@opentelemetry/sdk-logs";
import { type IMetricReader, type PushMetricExporter, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
  createAlwaysRecordSampler,
} from "@opentelemetry/sdk-trace";
import type { OtlpSettings, TelemetrySettings } from "../core/settings/telemetry-settings.ts";
import { azureCredential } from "./connect.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { counted, countingProcessor } from "./telemetry-loss.ts";

interface Exporters {
  readonly spans: SpanExporter;
  readonly metrics: PushMetricExporter;
  readonly logs: LogRecordExporter;
}

export interface Signals {
  readonly contextManager: AsyncLocalStorageContextManager;
  readonly tracerProvider: TracerProvider;
  readonly loggerProvider: LoggerProvider;
}

export interface Exporting {
  readonly metricReaders: readonly IMetricReader[];
  /** `meter` counts what is lost. */
  start(lost: Metrics["telemetryDropped"]): Signals;
}

const QUEUE = {
  maxQueueSize: 4_096,
  maxExportBatchSize: 512,
  scheduledDelayMillis: 1_000,
  exportTimeoutMillis: 10_000,
};
const ATTRIBUTE_MAX_LENGTH = 1_024;

export async function prepareExport(settings: TelemetrySettings, resource: Resource): Promise<Exporting> {
  const all = await Promise.all([
    ...(settings.otlp === undefined ? [] : [otlpExporters(settings.otlp)]),
    ...(settings.azureMonitor === undefined ? [] : [azureExporters(settings.azureMonitor)]),
  ]);
  return {
    metricReaders: all.map(
      ({ metrics }) =>
        new PeriodicExportingMetricReader({
          exporter: metrics,
          exportIntervalMillis: settings.metricsEveryMs,
          exportTimeoutMillis: Math.min(settings.metricsEveryMs, QUEUE.exportTimeoutMillis),
        }),
    ),
    start(lost) {
      const limits = { attributeValueLengthLimit: ATTRIBUTE_MAX_LENGTH };
      const spans = all.map((exporters) => {
        const queue = counted(exporters.spans, QUEUE.maxQueueSize, (count) => lost.add(count, { signal: "traces" }));
        return countingProcessor(new BatchSpanProcessor({ exporter: queue.exporter, ...QUEUE }), queue);
      });
      const logs = all.map((exporters) => {
        const queue = counted(exporters.logs, QUEUE.maxQueueSize, (count) => lost.add(count, { signal: "logs" }));
        const batch = new BatchLogRecordProcessor({ exporter: queue.exporter, ...QUEUE });
        return {
          onEmit: (record: Parameters<typeof batch.onEmit>[0]) => {
            if (queue.admit()) batch.onEmit(record);
          },
          forceFlush: () => batch.forceFlush(),
          shutdown: () => batch.shutdown(),
        };
      });
      return {
        contextManager: new AsyncLocalStorageContextManager().enable(),
        tracerProvider: new TracerProvider({
          resource,
          // Unsampled spans are recorded, so that those that fail can be exported.
          sampler: createAlwaysRecordSampler(
            new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(settings.traceRatio) }),
          ),
          spanLimits: limits,
          spanProcessors: spans,
        }),
        loggerProvider: new LoggerProvider({ resource, logRecordLimits: limits, processors: logs }),
      };
    },
  };
}

async function otlpExporters({ endpoint, headers }: OtlpSettings): Promise<Exporters> {
  const { OTLPLogExporter, OTLPMetricExporter, OTLPTraceExporter } = await import("./otlp-exporters.ts");
  const to = (signal: string) => ({
    url: `${endpoint}/v1/${signal}`,
    headers: { ...headers },
    timeoutMillis: QUEUE.exportTimeoutMillis,
  });
  return {
    spans: new OTLPTraceExporter(to("traces")),
    metrics: new OTLPMetricExporter(to("metrics")),
    logs: new OTLPLogExporter(to("logs")),
  };
}

async function azureExporters(connectionString: string): Promise<Exporters> {
  // The exporter's own telemetry to its maker has no other switch.
  process.env["APPLICATION_INSIGHTS_NO_STATSBEAT"] = "true";
  const [{ AzureMonitorTraceExporter, AzureMonitorMetricExporter, AzureMonitorLogExporter }, credential] =
    await Promise.all([import("@azure/monitor-opentelemetry-exporter"), azureCredential()]);
  const options = { connectionString, credential, disableOfflineStorage: true };
  return {
    spans: new AzureMonitorTraceExporter(options),
    metrics: new AzureMonitorMetricExporter(options),
    logs: new AzureMonitorLogExporter(options),
  };
}
