import { describe, expect, it } from "vitest";
import { readPoints } from "../../../../runtime/local/telemetry/otlp-json.ts";
import { createRecentMetrics } from "../../../../runtime/local/telemetry/recent-metrics.ts";
import { type MetricToSend, metricsOf } from "../../../support/telemetry/otlp.ts";

const START_MS = 1_000_000;
const SLOT_MS = 10_000;
const BOUNDS = [1, 2, 4];

function metricsIn() {
  let now = START_MS;
  const store = createRecentMetrics({ nowMs: () => now, keepMs: 3_600_000 });
  const view = (marks = 6) => store.view({ marks, markMs: SLOT_MS });
  return {
    send: (instance: string, ...metrics: readonly MetricToSend[]) =>
      store.add(readPoints(metricsOf({ "service.name": "jobyard-worker", "service.instance.id": instance }, metrics))),
    pass: (ms: number) => void (now += ms),
    view,
    type: (name: string, marks?: number) => view(marks).jobTypes.find((group) => group.name === name)?.measures,
    pool: (name: string, marks?: number) => view(marks).pools.find((group) => group.name === name)?.measures,
  };
}

const ended = (value: number, more: Partial<MetricToSend> & { readonly outcome?: string } = {}): MetricToSend => {
  const { outcome = "succeeded", ...rest } = more;
  const attributes = { type: "Greetings", tenant: "demo", outcome };
  return { name: "jobyard.job.ended", kind: "counter", value, attributes, startMs: START_MS, ...rest };
};
const waits = (...counts: readonly number[]): MetricToSend => ({
  ...{ name: "jobyard.job.wait", kind: "histogram", counts, bounds: BOUNDS },
  ...{ attributes: { type: "Greetings" }, startMs: START_MS },
});
const gauge = (name: string, value: number, attributes = {}): MetricToSend => ({
  ...{ name, kind: "gauge", value, attributes: { pool: "default", ...attributes } },
});

describe("the metrics of the last hour", () => {
  it("counts what counters of all processes add, by time", () => {
    const { send, pass, type } = metricsIn();
    send("worker-1", ended(3), ended(1, { outcome: "failed" }));
    send("worker-2", ended(2));
    pass(SLOT_MS);
    send("worker-1", ended(7), ended(1, { outcome: "failed" }));
    expect(type("Greetings")).toMatchObject({
      ended: { value: 10, marks: [0, 0, 0, 0, 6, 4] },
      failed: { value: 1, marks: [0, 0, 0, 0, 1, 0] },
      wait: { value: null, marks: [null, null, null, null, null, null] },
    });
  });

  it("counts a restarted process from zero, and not what a process counted before anyone listened", () => {
    const { send, type } = metricsIn();
    send("worker-1", ended(5));
    send("worker-1", ended(2, { startMs: START_MS + 1 }));
    send("orphan", ended(100, { startMs: START_MS - 1 }));
    send("orphan", ended(101, { startMs: START_MS - 1 }));
    expect(type("Greetings")?.["ended"]?.value).toBe(8);
  });

  it("adds points that count since the point before", () => {
    const { send, type } = metricsIn();
    send("other", ended(5, { isDelta: true }));
    send("other", ended(5, { isDelta: true }));
    expect(type("Greetings")?.["ended"]?.value).toBe(10);
  });

  it("estimates what 95 % of the times do not exceed", () => {
    const { send, pass, type } = metricsIn();
    send("worker-1", waits(100, 0, 0, 0));
    pass(SLOT_MS);
    send("worker-1", waits(100, 0, 100, 0));
    pass(SLOT_MS);
    send("worker-1", waits(100, 0, 100, 5));
    expect(type("Greetings")?.["wait"]?.marks).toEqual([null, null, null, 0.95, 3.9, 4]);
    expect(type("Greetings")?.["wait"]?.value).toBeCloseTo(3.895);
  });

  it("leaves out histograms with other buckets than the first", () => {
    const { send, type } = metricsIn();
    send("worker-1", waits(1, 0, 0, 0));
    send("worker-2", { ...waits(1, 50), bounds: [9] });
    expect(type("Greetings")?.["wait"]?.value).toBeCloseTo(0.95);
  });

  it("adds the slots of all workers, and takes the oldest age of all priorities", () => {
    const { send, pass, pool } = metricsIn();
    send("worker-1", gauge("jobyard.worker.slots", 2), gauge("jobyard.worker.slots.used", 2));
    send("worker-2", gauge("jobyard.worker.slots", 2), gauge("jobyard.worker.slots.used", 1));
    const age = "jobyard.queue.oldest.age";
    send("api", gauge(age, 3, { priority: "high" }), gauge(age, 1, { priority: "low" }));
    expect(pool("default")).toMatchObject({ slots: { value: 4 }, used: { value: 3 }, oldest: { value: 3 } });
    pass(SLOT_MS);
    send("worker-1", gauge("jobyard.worker.slots.used", 0));
    expect(pool("default")?.["used"]).toEqual({ value: 1, marks: [null, null, null, null, 3, 1] });
  });

  it("forgets the gauges of a process that reports no more, and after an hour everything", () => {
    const { send, pass, pool, type, view } = metricsIn();
    send("worker-1", gauge("jobyard.worker.slots", 2), ended(1));
    pass(8 * SLOT_MS);
    expect(pool("default")?.["slots"]?.value).toBe(2);
    pass(SLOT_MS);
    expect(pool("default", 20)).toBe(undefined);
    expect(type("Greetings", 20)?.["ended"]?.value).toBe(1);
    pass(3_600_000);
    expect(view(360)).toEqual({ jobTypes: [], pools: [] });
  });

  it("counts job types beyond the first hundred together, and ignores other metrics", () => {
    const { send, view } = metricsIn();
    for (let i = 0; i < 300; i++) send("worker-1", ended(1, { attributes: { type: `Type${i}` } }));
    send("worker-1", { ...ended(1), name: "process.cpu.time" });
    const { jobTypes } = view();
    expect(jobTypes.length).toBe(101);
    expect(jobTypes.find(({ name }) => name === "other")?.measures["ended"]?.value).toBe(200);
  });
});
