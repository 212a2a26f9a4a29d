/** Log, metrics and traces of a program, from its first line to its last words. */
import { systemClock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { LogLevel } from "../core/settings/service-settings.ts";
import { parseTelemetrySettings } from "../core/settings/telemetry-settings.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { shipTo } from "./log-shipping.ts";
import { createLogger } from "./logger.ts";
import { measureProcess } from "./process-metrics.ts";
import type { Exits } from "./service-process.ts";
import { type TelemetryOptions, startTelemetry } from "./telemetry.ts";

export interface Observed {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** All metrics in Prometheus' text format. */
  readonly metricsText: () => Promise<string>;
}

export interface ObserveOptions extends Pick<TelemetryOptions, "service" | "version" | "instance" | "pool"> {
  readonly level: LogLevel;
}

/** The first thing that a program does. Ends with the program. Throws SettingsError. */
export async function observe({ level, ...names }: ObserveOptions, exits: Pick<Exits, "lastWords">): Promise<Observed> {
  const telemetry = await startTelemetry({ settings: parseTelemetrySettings(process.env), ...names });
  const log = createLogger({ level, ...names, onLine: telemetry.logs && shipTo(telemetry.logs) });
  telemetry.reportTo(log, systemClock.monotonicNow);
  const stopMeasuring = measureProcess(telemetry.metrics);
  exits.lastWords(async (error) => {
    if (error !== undefined) log.error({ err: error }, "the process ends by an error");
    stopMeasuring();
    await telemetry.close();
  });
  return { log, metrics: telemetry.metrics, metricsText: telemetry.metricsText };
}
