import { SpanStatusCode } from "@opentelemetry/api";
import type { ReadableSpan, SpanProcessor } from "@opentelemetry/sdk-trace";
import { describe, expect, it } from "vitest";
import { counted, countingProcessor } from "../../../runtime/main/telemetry-loss.ts";
import { inSpan } from "../../../runtime/telemetry/trace.ts";
import { type Telemetry, startTelemetry } from "../../../runtime/main/telemetry.ts";
import { eventually } from "../../support/eventually.ts";
import { parsePrometheus } from "../../support/prometheus-text.ts";
import { startOtlpReceiver } from "../../support/telemetry/otlp-receiver.ts";

const OFF = { azureMonitor: undefined, otlp: undefined, metricsEveryMs: 60_000, traceRatio: 1 };

/** An exporter that holds every call until it is told how it ended. */
function heldExporter() {
  const calls: { readonly items: readonly string[]; readonly done: (outcome: { code: number }) => void }[] = [];
  return {
    calls,
    export: (items: string[], done: (outcome: { code: number }) => void) => void calls.push({ items, done }),
    shutdown: () => Promise.resolve(),
  };
}

function spanOf(sampled: boolean, failed: boolean): ReadableSpan {
  const facts = { traceId: "1".repeat(32), spanId: "2".repeat(16), traceFlags: sampled ? 1 : 0 };
  const status = { code: failed ? SpanStatusCode.ERROR : SpanStatusCode.UNSET };
  return { name: "step", spanContext: () => facts, status } as ReadableSpan;
}

function countsOf(names: readonly string[]): ReadonlyMap<string, number> {
  return new Map(names.map((name) => [name, names.filter((other) => other === name).length]));
}

describe("telemetry without an exporter", () => {
  it("starts no timer, opens no socket and sends no log, and metrics can be read", async () => {
    const before = countsOf(process.getActiveResourcesInfo());
    const telemetry = await startTelemetry({ settings: OFF, service: "jobyard-api", version: "1", instance: "a" });
    telemetry.metrics.jobAttempts.add(2, {
      tenant: "t",
      type: "Sum",
      pool: "default",
      priority: "normal",
      outcome: "succeeded",
    });
    expect(telemetry.logs).toBeUndefined();
    expect(await telemetry.metricsText()).toContain('pool="default"');
    // What earlier tests left in this process may end meanwhile.
    for (const [name, count] of countsOf(process.getActiveResourcesInfo()))
      expect(count, name).toBeLessThanOrEqual(before.get(name) ?? 0);
    await telemetry.close();
  });
});

describe("telemetry whose collector never answers", () => {
  it("ends spans at once, keeps a bounded number of spans and lines, counts the rest and closes in time", async () => {
    await using receiver = await startOtlpReceiver({ answer: () => "silence" });
    const settings = { ...OFF, otlp: { endpoint: receiver.url, headers: {} } };
    const who = { service: "jobyard-worker", version: "1", instance: "a" };
    const telemetry = await startTelemetry({ settings, ...who, closeWithinMs: 50 });
    for (let i = 0; i < 10_000; i++) await inSpan("step", {}, () => Promise.resolve());
    for (let i = 0; i < 10_000; i++) telemetry.logs?.emit({ body: "line" });
    for (const signal of ["traces", "logs"]) expect(await droppedOf(telemetry, signal)).toBeGreaterThan(4_000);
    await telemetry.close();
  });
});

describe("telemetry whose collector refuses everything", () => {
  it.each([500, 413])("counts what was refused with %i, says so, and goes on", async (status) => {
    await using receiver = await startOtlpReceiver({ answer: () => ({ status, body: { message: "no" } }) });
    const settings = { ...OFF, otlp: { endpoint: receiver.url, headers: {} } };
    const who = { service: "jobyard-worker", version: "1", instance: "a" };
    const telemetry = await startTelemetry({ settings, ...who });
    const reports: unknown[] = [];
    telemetry.reportTo({ warn: (_fields, message) => void reports.push(message) }, () => 0);
    await inSpan("step", {}, () => Promise.resolve());
    telemetry.logs?.emit({ body: "line" });
    await eventually(async () => {
      for (const signal of ["traces", "logs"]) expect(await droppedOf(telemetry, signal)).toBe(1);
    });
    expect(reports).toEqual(["telemetry has a fault"]);
    await telemetry.close();
  });
});

async function droppedOf({ metricsText }: Telemetry, signal: string): Promise<number> {
  const { samples = [] } = parsePrometheus(await metricsText()).get("jobyard_telemetry_dropped_total") ?? {};
  return samples.find(({ labels }) => labels["signal"] === signal)?.value ?? 0;
}

describe("what waits for an exporter", () => {
  it("is bounded while the exporter is not called, and the rest counts as lost", () => {
    let lost = 0;
    const queue = counted(heldExporter(), 2, (count) => (lost += count));
    expect([queue.admit(), queue.admit(), queue.admit()]).toEqual([true, true, false]);
    expect(lost).toBe(1);
    queue.exporter.export(["a", "b"], () => undefined);
    expect(queue.admit()).toBe(true);
  });

  it("counts as lost when the exporter fails, and not when it succeeds", () => {
    let lost = 0;
    const held = heldExporter();
    const queue = counted(held, 9, (count) => (lost += count));
    queue.exporter.export(["a", "b"], () => undefined);
    queue.exporter.export(["c"], () => undefined);
    held.calls[0]?.done({ code: 1 });
    held.calls[1]?.done({ code: 0 });
    expect(lost).toBe(2);
  });
});

describe("the choice of spans", () => {
  it.each([
    { sampled: true, failed: false, exported: true },
    { sampled: false, failed: true, exported: true },
    { sampled: false, failed: false, exported: false },
  ])("sampled $sampled and failed $failed: exported $exported", ({ sampled, failed, exported }) => {
    const passed: ReadableSpan[] = [];
    const batch: SpanProcessor = {
      onStart: () => undefined,
      onEnd: (span) => void passed.push(span),
      forceFlush: () => Promise.resolve(),
      shutdown: () => Promise.resolve(),
    };
    countingProcessor(batch, { admit: () => true }).onEnd(spanOf(sampled, failed));
    expect(passed.map((span) => [span.name, span.spanContext().traceFlags])).toEqual(exported ? [["step", 1]] : []);
  });
});
