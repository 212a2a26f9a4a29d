/** What API and worker send while they run jobs and when they end, with everything secret marked that a job or a caller has. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SETTING } from "../../../runtime/core/settings/names.ts";
import { GIVEN_UP } from "../../../runtime/main/service-process.ts";
import { eventually } from "../../support/eventually.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { type ApiProcess, startApiProcess } from "../../support/processes/api-process.ts";
import { type WorkerProcess, startWorkerProcess } from "../../support/processes/worker-process.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { type OtlpReceiver, type SeenLog, startOtlpReceiver } from "../../support/telemetry/otlp-receiver.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../support/temporary-directory.ts";
import { type TestSystem, startTestSystem } from "../../support/test-system.ts";

const tenant = freshTenant();
/** Long and strange enough to be in nothing by chance. */
const MARK = "marked7Zq4";
const mark = (what: string): string => `${MARK}${what.padEnd(20, "x")}`;
let submittedCount = 0;
const TRACE_ID = "d".repeat(32);
const FAULT = "planted fault";
/** Throws in the worker on a signal. Jobs do not get this variable. */
const THROWS_ON_SIGNAL = `process.on("SIGUSR2", () => { throw new Error("${FAULT}"); });`;
let receiver: OtlpReceiver;
let directory: TemporaryDirectory;
let system: TestSystem;
let api: ApiProcess;

const telemetry = () => ({
  [SETTING.otlpEndpoint]: receiver.url,
  [SETTING.otlpHeaders]: "authorization=Bearer%20of-the-collector",
  [SETTING.traceRatio]: "1",
  [SETTING.metricsInterval]: "1000",
  [SETTING.logLevel]: "info",
});

beforeAll(async () => {
  receiver = await startOtlpReceiver();
  directory = await temporaryDirectory();
  system = await startTestSystem({ account: "telemetrylogs" });
  const jobs = {
    Talks: `
      console.log(JSON.stringify(job.parameters));
      console.error("Bearer ${mark("JobLog")}");
      context.progress(0.5, "${mark("Progress")}");
      fs.writeFileSync(path.join(context.outputPath, "${mark("FileName")}.txt"), "${mark("FileContent")}");
      return { output: { answer: job.parameters.secret } };`,
    Fails: `throw nonRetryable(job.parameters.secret);`,
    Waits: `if (job.interruption > 0) return {};
      context.progress("waits");
      await new Promise((_, reject) => context.signal.addEventListener("abort", reject));`,
  };
  await system.publish(tenant, "test.zip", testPackage({ jobs }));
  api = await startApiProcess(system.bus, "api-1", { ...system.connections, ...telemetry(), [SETTING.version]: "v7" });
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
});

async function startWorker(workerId: string): Promise<WorkerProcess> {
  const worker = startWorkerProcess({
    ...system.connections,
    [SETTING.workerId]: workerId,
    [SETTING.workerDirectory]: join(directory.path, workerId),
    [SETTING.lockSeconds]: String(system.lockMs / 1_000),
    [SETTING.drainSeconds]: "0",
    [SETTING.version]: "v7",
    ...telemetry(),
    NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(THROWS_ON_SIGNAL)}`,
  });
  await worker.ready;
  return worker;
}

async function submit(jobType: string): Promise<{ readonly jobId: string; readonly requestId: string }> {
  const response = await fetch(`${api.url}/v1/jobs?note=${mark("Query")}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${mark("Token")}`,
      "idempotency-key": mark(`Key${++submittedCount}`),
      traceparent: `00-${TRACE_ID}-00000000000000aa-01`,
      tracestate: `vendor=${mark("State")}`,
      baggage: `user=${mark("Baggage")}`,
    },
    body: JSON.stringify({
      ...{ tenantName: tenant, jobType, jobName: jobType, jobProcessorPackageName: "test.zip" },
      parameters: { secret: mark("Parameter") },
    }),
  });
  expect(response.status).toBe(201);
  const { jobId } = (await response.json()) as { readonly jobId: string };
  return { jobId, requestId: response.headers.get("x-request-id") ?? "" };
}

const linesOf = (instance: string): readonly SeenLog[] =>
  receiver.logs.filter(({ process }) => process["service.instance.id"] === instance);
const linesAbout = (jobId: string): readonly SeenLog[] =>
  receiver.logs.filter(({ attributes }) => attributes["jobId"] === jobId);

describe("the log that leaves the machine", () => {
  it("names tenant, batch, job, claim, request, trace and process in every line of a job's path", async () => {
    await using worker = await startWorker("names-all");
    const { jobId, requestId } = await submit("Talks");
    const { batchId, history } = await system.until(jobId);
    const lines = await eventually(() => {
      const about = linesAbout(jobId);
      expect(about.map(({ text }) => text).toSorted()).toEqual(["attempt ended", "attempt started", "request"]);
      return about;
    });
    expect(worker.child.exitCode).toBeNull();
    for (const { text, level, process, attributes, traceId, spanId } of lines) {
      expect({ level, traceId }, text).toEqual({ level: "info", traceId: TRACE_ID });
      const ofRequest = text === "request";
      expect(attributes).toMatchObject({ tenantName: tenant, batchId, jobId, requestId });
      if (!ofRequest) expect(attributes["claimId"]).toBe(history[0]?.claimId);
      expect(process).toMatchObject({
        "service.name": ofRequest ? "jobyard-api" : "jobyard-worker",
        "service.version": "v7",
        "service.instance.id": ofRequest ? "api-1" : "names-all",
      });
      const span = await eventually(() => {
        const found = receiver.spans.find((one) => one.spanId === spanId);
        expect(found, `the span of "${text}"`).toBeDefined();
        return found;
      });
      expect(span?.service).toBe(process["service.name"]);
    }
  });

  it("has the last lines of a worker that drains and hands back its job", async () => {
    await using worker = await startWorker("drains");
    const { jobId } = await submit("Waits");
    await system.until(jobId, ({ progress }) => progress?.text === "waits");
    worker.child.kill("SIGTERM");
    expect(await worker.exited).toBe(0);
    // The receiver is in this process: what was sent before the end has been read or waits to be read.
    await eventually(() => {
      expect(linesOf("drains").map(({ text }) => text)).toContain("draining");
      expect(linesAbout(jobId).map(({ text }) => text)).toContain("attempt ended");
    });
    await using heir = await startWorker("heir");
    expect(await system.until(jobId)).toMatchObject({ state: "succeeded", interruptions: 1 });
    expect(heir.child.exitCode).toBeNull();
  });

  it("has the last lines of a worker that ends by an uncaught error, with the error", async () => {
    await using worker = await startWorker("throws");
    worker.child.kill("SIGUSR2");
    expect(await worker.exited).toBe(GIVEN_UP);
    await eventually(() =>
      expect(linesOf("throws").map(({ text }) => text)).toEqual(
        expect.arrayContaining(["uncaught error; handing back all jobs and exiting", "the process ends by an error"]),
      ),
    );
    for (const { level, attributes } of linesOf("throws").filter(({ text }) => text.includes("error"))) {
      expect(level).toBe("error");
      expect(attributes).toMatchObject({ "exception.type": "Error", "exception.message": FAULT });
    }
  });

  it("no parameter, output, file, token, key or query is in traces, metrics or logs", async () => {
    await using worker = await startWorker("keeps-secrets");
    await system.until((await submit("Talks")).jobId);
    const { jobId } = await submit("Fails");
    expect((await system.until(jobId)).failure?.message).toContain(mark("Parameter"));
    await fetch(`${api.url}/v1/jobs/${jobId}/artifacts/${mark("FileName")}.txt?a=${mark("Query")}`);
    await fetch(`${api.url}/v1/jobs`, { method: "POST", body: `{"tenantName": "${mark("Body")}` });
    await eventually(() => expect(linesAbout(jobId).map(({ text }) => text)).toContain("attempt ended"));
    worker.child.kill("SIGTERM");
    expect(await worker.exited).toBe(0);
    await eventually(() => {
      const ended = receiver
        .points()
        .filter(
          ({ metric, process }) => metric === "jobyard.job.ended" && process["service.instance.id"] === "keeps-secrets",
        );
      expect(ended.map(({ attributes, value }) => [attributes["type"], value]).toSorted()).toEqual([
        ["Fails", 1],
        ["Talks", 1],
      ]);
    });
    const failed = receiver.spans.filter((span) => span.failed && span.attributes["jobyard.job.id"] === jobId);
    expect(failed).toHaveLength(1);
    // The headers of an export are those of the settings, and nothing else of a caller.
    expect(receiver.received()).toContain("Bearer of-the-collector");
    expect(receiver.received().match(new RegExp(`.{80}${MARK}.{20}`, "gu"))).toBeNull();
  });
});
