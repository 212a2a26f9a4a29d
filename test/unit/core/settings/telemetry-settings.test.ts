import { describe, expect, it } from "vitest";
import { parseTelemetrySettings } from "../../../../runtime/core/settings/telemetry-settings.ts";

describe("the settings of telemetry", () => {
  it("export nothing by default", () => {
    expect(parseTelemetrySettings({})).toEqual({ azureMonitor: undefined, otlp: undefined, traceRatio: 0.05 });
    expect(parseTelemetrySettings({ OTEL_EXPORTER_OTLP_ENDPOINT: "" }).otlp).toBeUndefined();
  });

  it("name a collector with its headers, and Application Insights", () => {
    const settings = parseTelemetrySettings({
      APPLICATIONINSIGHTS_CONNECTION_STRING: "InstrumentationKey=1",
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318/",
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20a=b, x-team = jobs",
      JOBYARD_TRACE_RATIO: "1",
    });
    expect(settings).toEqual({
      azureMonitor: "InstrumentationKey=1",
      otlp: { endpoint: "http://127.0.0.1:4318", headers: { authorization: "Bearer a=b", "x-team": "jobs" } },
      traceRatio: 1,
    });
  });

  it.each(["-0.1", "1.1", "all", " ", "NaN"])("refuse a ratio of %j", (ratio) => {
    expect(() => parseTelemetrySettings({ JOBYARD_TRACE_RATIO: ratio })).toThrow("from 0 to 1");
  });

  it("refuse an address that is not http, and headers without repeating them", () => {
    expect(() => parseTelemetrySettings({ OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" })).toThrow("http or https");
    const headers = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c", OTEL_EXPORTER_OTLP_HEADERS: "secret-token" };
    expect(() => parseTelemetrySettings(headers)).toThrow(/^OTEL_EXPORTER_OTLP_HEADERS must be name=value pairs/);
  });
});
