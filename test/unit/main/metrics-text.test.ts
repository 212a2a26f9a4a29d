import { metrics as globalMetrics } from "@opentelemetry/api";
import { afterEach, expect, it } from "vitest";
import { parseTelemetrySettings } from "../../../runtime/core/settings/telemetry-settings.ts";
import { startTelemetry, type Telemetry } from "../../../runtime/main/telemetry.ts";
import { measureProcess } from "../../../runtime/main/process-metrics.ts";
import { parsePrometheus } from "../../support/prometheus-text.ts";

let telemetry: Telemetry | undefined;
afterEach(async () => {
  await telemetry?.close();
  globalMetrics.disable();
});

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
