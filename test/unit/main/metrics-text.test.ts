import { afterEach, expect, it } from "vitest";
import { parseTelemetrySettings } from "../../../runtime/core/settings/telemetry-settings.ts";
import { startTelemetry, type Telemetry } from "../../../runtime/main/telemetry.ts";
import { measureProcess } from "../../../runtime/main/process-metrics.ts";
import { parsePrometheus } from "../../support/prometheus-text.ts";

let telemetry: Telemetry | undefined;
afterEach(() => telemetry?.close());

const start = async (): Promise<Telemetry> =>
  (telemetry = await startTelemetry({
    settings: parseTelemetrySettings({}),
    service: "jobyard-test",
    version: "1",
    instance: "i1",
  }));

it("metrics are text that Prometheus reads, whatever a tenant calls its job types", async () => {
  const { metrics, metricsText } = await start();
  const type = 'a "quoted"\\ name,\n{on} two=lines';
  const job = { tenant: "acme", type, pool: "default", priority: "normal" };
  metrics.jobsSubmitted.add(2, job);
  metrics.jobWait.record(0.3, job);
  const stopMeasuring = measureProcess(metrics);
  const families = parsePrometheus(await metricsText());
  stopMeasuring();

  const submitted = families.get("jobyard_job_submitted_total");
  expect(submitted).toMatchObject({ type: "counter", samples: [{ value: 2, labels: job }] });
  const wait = families.get("jobyard_job_wait_seconds") ?? families.get("jobyard_job_wait");
  expect(wait?.type).toBe("histogram");
  const buckets = wait?.samples.filter(({ name }) => name.endsWith("_bucket")) ?? [];
  expect(buckets.at(-1)).toMatchObject({ labels: { le: "+Inf", type }, value: 1 });
  expect(buckets.find(({ labels }) => labels["le"] === "0.25")?.value).toBe(0);
  expect(buckets.find(({ labels }) => labels["le"] === "0.5")?.value).toBe(1);
  const memory = [...families].find(([name]) => name.startsWith("jobyard_process_memory"))?.[1];
  expect(memory?.type).toBe("gauge");
  expect(memory?.samples[0]?.value).toBeGreaterThan(10_000_000);
});

it("a metric that cannot be read is left out and reported, once a minute", async () => {
  const running = await start();
  const { metrics, metricsText } = running;
  const reports: unknown[] = [];
  let time = 0;
  running.reportTo({ warn: (fields, message) => void reports.push([fields, message]) }, () => time);
  metrics.workerSlots.watch(() => [{ value: 4, attributes: { pool: "p" } }]);
  metrics.workerSlotsUsed.watch(() => {
    throw new Error("no slots");
  });
  for (const passed of [0, 59_000, 1_000]) {
    time += passed;
    const families = parsePrometheus(await metricsText());
    expect(families.get("jobyard_worker_slots")?.samples[0]?.value).toBe(4);
    expect(families.has("jobyard_worker_slots_used")).toBe(false);
  }
  const report = [{ error: "no slots" }, "telemetry has a fault"];
  expect(reports).toEqual([report, report]);
});
