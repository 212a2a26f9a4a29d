/** Log, metrics, events and the list of unreadable formats for tests that are about none of them. */
import { createNoopMeter } from "@opentelemetry/api";
import type { Logger } from "../../runtime/core/logger.ts";
import type { Unreadable } from "../../runtime/core/unreadable.ts";
import { type JobEvents, createJobEvents } from "../../runtime/lifecycle/job-events.ts";
import { createInstruments, type Metrics } from "../../runtime/telemetry/metrics.ts";

export const silentLog: Logger = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

export const silentMetrics: Metrics = createInstruments(createNoopMeter());

export const silentEvents: JobEvents = createJobEvents({
  publisher: { publish: () => undefined },
  level: "none",
  metrics: silentMetrics,
  now: () => new Date(),
  log: silentLog,
});

export const silentUnreadable: Unreadable = { note: () => undefined, formats: () => [] };
