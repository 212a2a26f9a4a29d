import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { SETTING } from "../../../runtime/core/settings/names.ts";
import { type Telemetry, startTelemetry } from "../../../runtime/main/telemetry.ts";
import { eventually } from "../../support/eventually.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { type WorkerProcess, startWorkerProcess } from "../../support/processes/worker-process.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { type OtlpReceiver, type SeenSpan, startOtlpReceiver } from "../../support/telemetry/otlp-receiver.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../support/temporary-directory.ts";
import { type TestSystem, startTestSystem } from "../../support/test-system.ts";

const tenant = freshTenant();
const SECRET = "parameters-are-secret";
const STEPS = ["claim", "package", "process", "artifacts", "settle"];
let receiver: OtlpReceiver;
let telemetry: Telemetry;
let system: TestSystem;
let directory: TemporaryDirectory;

beforeAll(async () => {
  receiver = await startOtlpReceiver();
  const settings = {
    azureMonitor: undefined,
    otlp: { endpoint: receiver.url, headers: {} },
    metricsEveryMs: 60_000,
    traceRatio: 1,
  };
  telemetry = await startTelemetry({ settings, service: "jobyard-api", version: "test", instance: "api" });
  directory = await temporaryDirectory();
  system = await startTestSystem();
  const jobs = {
    Told: `return { output: { context: context.trace, environment: process.env.TRACEPARENT } };`,
    SecondTime: `if (job.attempt === 1) throw new Error(job.parameters.word); return {};`,
    Interrupted: `if (job.interruption > 0) return {}; context.progress("waits"); await new Promise(() => setInterval(() => {}, 1000));`,
  };
  await system.publish(tenant, "test.zip", testPackage({ jobs }));
});
afterAll(async () => {
  // First: the other telemetry tests of this process set it up anew.
  await telemetry.close();
  await system[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
});

const startWorker = (workerId: string, { bus, lockMs }: TestSystem = system): WorkerProcess =>
  startWorkerProcess({
    [SETTING.storageConnectionString]: inject("storageConnectionString"),
    [SETTING.serviceBusConnectionString]: bus.connectionString,
    [SETTING.workerId]: workerId,
    [SETTING.workerDirectory]: join(directory.path, workerId),
    [SETTING.lockSeconds]: String(lockMs / 1_000),
    [SETTING.otlpEndpoint]: receiver.url,
    [SETTING.traceRatio]: "1",
  });

async function submit(jobType: string, traceId: string, fields = {}, { api } = system): Promise<string> {
  const request = { tenantName: tenant, jobType, jobName: jobType, jobProcessorPackageName: "test.zip", ...fields };
  const headers = { "Content-Type": "application/json", traceparent: `00-${traceId}-00000000000000aa-01` };
  const { status, body } = await api.post("/v1/jobs", request, headers);
  expect(status).toBe(201);
  return body.jobId;
}

/** The spans of a trace as soon as there are that many attempts with a settled end. */
const traceWith = (traceId: string, attempts: number): Promise<readonly SeenSpan[]> =>
  eventually(() => {
    const spans = receiver.spans.filter((span) => span.traceId === traceId);
    expect(attemptsIn(spans)).toHaveLength(attempts);
    // Each program sends its spans in its own time.
    expect(spans.map(({ service }) => service)).toContain("jobyard-api");
    return spans;
  });

const attemptsIn = (spans: readonly SeenSpan[]): readonly SeenSpan[] =>
  spans.filter(({ name }) => name.startsWith("process job"));

describe("the trace of a job", () => {
  it("a job is traced from its caller to its own code", async () => {
    const traceId = "a".repeat(32);
    await using worker = startWorker("tells");
    await worker.ready;
    const jobId = await submit("Told", traceId, { parameters: { word: SECRET } });
    const { output } = await system.until(jobId);
    const spans = await traceWith(traceId, 1);
    const [server] = spans.filter(({ name }) => name === "POST /v1/jobs");
    const [attempt] = attemptsIn(spans);
    expect(server).toMatchObject({ service: "jobyard-api", parentSpanId: "00000000000000aa" });
    expect(attempt).toMatchObject({
      service: "jobyard-worker",
      parentSpanId: server?.spanId,
      links: [],
      failed: false,
    });
    const steps = spans.filter(({ parentSpanId }) => parentSpanId === attempt?.spanId);
    expect(new Set(steps.map(({ name }) => name))).toEqual(new Set(STEPS));
    expect(spans.find(({ name }) => name.startsWith("send "))?.parentSpanId).toBe(server?.spanId);
    const ran = `00-${traceId}-${steps.find(({ name }) => name === "process")?.spanId ?? ""}-01`;
    expect(JSON.parse(output ?? "")).toEqual({ context: ran, environment: ran });
  });

  it("a retry is in the same trace and links to the attempt before", async () => {
    const traceId = "b".repeat(32);
    await using worker = startWorker("retries");
    await worker.ready;
    const retry = { maxAttempts: 2, initialDelayMs: 0 };
    await system.until(await submit("SecondTime", traceId, { retry, parameters: { word: SECRET } }));
    const spans = await traceWith(traceId, 2);
    const [first, second] = attemptsIn(spans);
    expect(first).toMatchObject({ failed: true, links: [] });
    expect(second).toMatchObject({ failed: false, links: [first?.spanId], parentSpanId: first?.parentSpanId });
  });

  it("a takeover of a killed worker's job links to the attempt that never ended", async () => {
    const traceId = "c".repeat(32);
    await using short = await startTestSystem({ lockMs: 8_000 });
    await using killed = startWorker("killed", short);
    await killed.ready;
    const jobId = await submit("Interrupted", traceId, {}, short);
    const running = await short.until(jobId, ({ progress }) => progress?.text === "waits");
    killed.child.kill("SIGKILL");
    await killed.exited;
    await using heir = startWorker("heir", short);
    await heir.ready;
    expect(await short.until(jobId)).toMatchObject({ state: "succeeded", executions: 2 });
    const [attempt] = attemptsIn(await traceWith(traceId, 1));
    expect(running.history[0]?.trace).toContain(traceId);
    expect(attempt?.links).toEqual([running.history[0]?.trace?.split("-")[2]]);
  });

  it("nothing of parameters is exported", () => {
    expect(receiver.spans.length).toBeGreaterThan(0);
    expect(receiver.received()).not.toContain(SECRET);
  });
});
