import { type MetricData, MeterProvider } from "@opentelemetry/sdk-metrics";
import { describe, expect, it } from "vitest";
import { ATTRIBUTE_MAX_LENGTH, createInstruments, METRICS, OTHER } from "../../../runtime/telemetry/metrics.ts";
import { createRecordedMetrics } from "../../support/recorded-metrics.ts";

const JOB = { tenant: "acme", type: "Report", pool: "default", priority: "normal" };

describe("the instruments", () => {
  it("each metric of the table is recorded under its name, with its unit and description", async () => {
    const { metrics, read } = createRecordedMetrics();
    for (const [key, { kind, attributes }] of Object.entries(METRICS)) {
      const values = Object.fromEntries(attributes.map((name) => [name, "x"]));
      const instrument = Reflect.get(metrics, key) as Record<string, (...values: unknown[]) => unknown>;
      if (kind === "gauge") instrument["watch"]?.(() => [{ value: 1, attributes: values }]);
      else if (kind === "counter") instrument["add"]?.(1, values);
      else instrument["record"]?.(1, values);
    }
    const recorded = await read();
    const facts = ({ descriptor: { name, unit, description } }: MetricData) => ({ name, unit, description });
    const table = Object.values(METRICS).map(({ name, unit, description }) => ({ name, unit, description }));
    expect(recorded.map(facts)).toEqual(table);
  });

  it("names are unique, and attributes are single words", () => {
    const all = Object.values(METRICS);
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    for (const { attributes } of all) for (const name of attributes) expect(name).toMatch(/^[a-z]+$/);
  });

  it("values of an attribute beyond the limit become one", async () => {
    const { metrics, values } = createRecordedMetrics(2);
    for (const tenant of ["a", "b", "c", "d", "a"]) metrics.jobsSubmitted.add(1, { ...JOB, tenant });
    // The limit is for the attribute, whatever the metric.
    metrics.jobRetries.add(1, { ...JOB, tenant: "e" });
    const byTenant = (points: readonly { readonly attributes: object; readonly value: unknown }[]): object =>
      Object.fromEntries(points.map(({ attributes, value }) => [String(Reflect.get(attributes, "tenant")), value]));
    expect(byTenant(await values("jobyard.job.submitted"))).toEqual({ a: 2, b: 1, [OTHER]: 2 });
    expect(byTenant(await values("jobyard.job.retries"))).toEqual({ [OTHER]: 1 });
  });

  it("a long value is cut", async () => {
    const { metrics, values } = createRecordedMetrics();
    metrics.jobsSubmitted.add(1, { ...JOB, type: "x".repeat(10_000) });
    expect((await values("jobyard.job.submitted"))[0]?.attributes["type"]).toBe("x".repeat(ATTRIBUTE_MAX_LENGTH));
  });

  it("a gauge is read until it is no longer watched", async () => {
    const { metrics, values } = createRecordedMetrics();
    const stop = metrics.workerSlots.watch(() => [{ value: 4, attributes: { pool: "p" } }]);
    expect(await values("jobyard.worker.slots")).toMatchObject([{ value: 4, attributes: { pool: "p" } }]);
    let readCount = 0;
    const stopCounting = metrics.workerSlotsUsed.watch(() => {
      readCount++;
      return [];
    });
    await values("jobyard.worker.slots.used");
    stop();
    stopCounting();
    await values("jobyard.worker.slots.used");
    expect(readCount).toBe(1);
  });

  it("a clock that was set back makes no negative time", async () => {
    const { metrics, values } = createRecordedMetrics();
    metrics.jobWait.record(-3, JOB);
    expect(await values("jobyard.job.wait")).toMatchObject([{ value: { sum: 0, count: 1 } }]);
  });

  it("recording without an exporter does nothing", () => {
    const metrics = createInstruments(new MeterProvider().getMeter("none"));
    expect(() => metrics.jobsSubmitted.add(1, JOB)).not.toThrow();
  });
});
