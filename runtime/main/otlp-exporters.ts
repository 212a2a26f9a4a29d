/**
 * The exporters for OTLP, by name. They are CommonJS: a bundle in several files would load them with their default export
 * only, if they were imported dynamically themselves.
 */
export { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http";
export { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
export { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
