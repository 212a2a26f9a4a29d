/** All instruments: names, units and meaning. Attributes are bounded: tenant, job type, pool, priority, outcome. */
import type { Meter } from "@opentelemetry/api";

export type Instruments = ReturnType<typeof createInstruments>;

export const createInstruments = (meter: Meter) => ({
  attempts: meter.createCounter("jobyard.attempts", { unit: "{attempt}", description: "Attempts that have ended." }),
  waitTime: meter.createHistogram("jobyard.job.wait", { unit: "s", description: "Time from submit to first start." }),
  runTime: meter.createHistogram("jobyard.attempt.duration", { unit: "s", description: "Time that an attempt took." }),
});
