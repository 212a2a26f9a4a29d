/** Which traces leave the system, and which trace a job is told, when no trace is kept by chance. */
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseTelemetrySettings } from "../../../runtime/core/settings/telemetry-settings.ts";
import { SETTING } from "../../../runtime/core/settings/names.ts";
import { type Telemetry, startTelemetry } from "../../../runtime/main/telemetry.ts";
import { eventually, eventuallyTrue } from "../../support/eventually.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { type OtlpReceiver, type SeenSpan, startOtlpReceiver } from "../../support/telemetry/otlp-receiver.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../support/temporary-directory.ts";
import { type TestSystem, type TestWorker, startTestSystem } from "../../support/test-system.ts";
import { createTimerBench } from "../../support/timers/timer-bench.ts";

const tenant = freshTenant();
const CALLER = "00000000000000aa";
const UNSAMPLED = /^00-[\da-f]{32}-[\da-f]{16}-00$/;
let receiver: OtlpReceiver;
let telemetry: Telemetry;
let system: TestSystem;
let worker: TestWorker;
let place: TemporaryDirectory;

beforeAll(async () => {
  receiver = await startOtlpReceiver();
  place = await temporaryDirectory();
  const settings = parseTelemetrySettings({ [SETTING.otlpEndpoint]: receiver.url, [SETTING.traceRatio]: "0" });
  telemetry = await startTelemetry({ settings, service: "jobyard-test", version: "test", instance: "all" });
  system = await startTestSystem();
  const jobs = {
    Told: `return { output: context.trace };`,
    Fails: `throw job.attempt === 1 ? new Error("once") : nonRetryable("for good");`,
    // Leaves word that it runs, and ends when the other one does, too.
    Meets: `
      fs.writeFileSync(${JSON.stringify(place.path)} + "/" + job.jobName, "");
      while (!fs.existsSync(${JSON.stringify(place.path)} + "/" + job.parameters.other)) await new Promise((go) => setTimeout(go, 5));
      return { output: { trace: context.trace, pid: process.pid, inherited: process.env.TRACEPARENT ?? null } };`,
  };
  await system.publish(tenant, "test.zip", testPackage({ jobs }));
  await system.publish(tenant, "shared.zip", testPackage({ jobs, isolation: "reuse" }));
  worker = await system.startWorker({ slots: 2 });
});
afterAll(async () => {
  // First: the other telemetry tests of this process set it up anew.
  await telemetry.close();
  await worker[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

async function submit(
  jobType: string,
  headers: Readonly<Record<string, string>>,
  fields: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const request = { tenantName: tenant, jobType, jobName: jobType, jobProcessorPackageName: "test.zip", ...fields };
  const { status, body } = await system.api.post("/v1/jobs", request, {
    "content-type": "application/json",
    ...headers,
  });
  expect(status).toBe(201);
  return body.jobId;
}

const traceparent = (traceId: string, flags: string) => ({ traceparent: `00-${traceId}-${CALLER}-${flags}` });
const spansOf = (traceId: string): readonly SeenSpan[] => receiver.spans.filter((span) => span.traceId === traceId);
const attemptsOf = (jobId: string): readonly SeenSpan[] =>
  receiver.spans.filter(
    ({ name, attributes }) => name.startsWith("process job") && attributes["jobyard.job.id"] === jobId,
  );
/** Spans are sent in the order of their ends, so those of work that is over are there when this one's are. */
async function untilSent(): Promise<void> {
  await eventuallyTrue(() => worker.runningCount === 0);
  const jobId = await submit("Told", traceparent("f".repeat(32), "01"));
  await eventually(() => expect(attemptsOf(jobId)).toHaveLength(1));
}

describe("a caller's traceparent", () => {
  it("that is sampled is traced, though no other trace is kept", async () => {
    const traceId = "a".repeat(32);
    const jobId = await submit("Told", traceparent(traceId, "01"));
    const { output } = await system.until(jobId);
    const [attempt] = await eventually(() => {
      expect(attemptsOf(jobId)).toHaveLength(1);
      return attemptsOf(jobId);
    });
    expect(attempt?.traceId).toBe(traceId);
    expect(output).toMatch(new RegExp(`^"00-${traceId}-[0-9a-f]{16}-01"$`));
  });

  it("that is not sampled is passed on and exported nowhere", async () => {
    const traceId = "b".repeat(32);
    const jobId = await submit("Told", traceparent(traceId, "00"));
    const { output, trace } = await system.until(jobId);
    expect(JSON.parse(output ?? "")).toMatch(UNSAMPLED);
    expect([output?.includes(traceId), trace?.includes(traceId)]).toEqual([true, true]);
    await untilSent();
    expect(spansOf(traceId)).toEqual([]);
  });

  it("that is not sampled has its failed attempt exported", async () => {
    const traceId = "c".repeat(32);
    const jobId = await submit("Fails", traceparent(traceId, "00"), { retry: { maxAttempts: 1 } });
    await system.until(jobId);
    await untilSent();
    expect(attemptsOf(jobId)).toMatchObject([{ traceId, failed: true, attributes: { "error.type": "JobFailed" } }]);
    expect(spansOf(traceId).filter(({ failed }) => !failed)).toEqual([]);
  });

  const VALID = `00-${"e".repeat(32)}-${CALLER}-01`;
  it.each([
    ["malformed", "01-no-such-thing"],
    ["of zeros", `00-${"0".repeat(32)}-${CALLER}-01`],
    ["of version ff", `ff${VALID.slice(2)}`],
    ["with more than its version has", `${VALID}-more`],
    ["of 10 kB", `cc${VALID.slice(2)}-${"x".repeat(10_000)}`],
    ["in capitals", VALID.toUpperCase()],
    ["there twice", [VALID, VALID]],
    ["not there, beside a tracestate", undefined],
  ])("that is %s is ignored, and the job starts a trace of its own", async (_what, value) => {
    const body = JSON.stringify({
      ...{ tenantName: tenant, jobType: "Told", jobName: "n", jobProcessorPackageName: "test.zip", delayMs: 3_600_000 },
    });
    const headers = { "content-type": "application/json", tracestate: `vendor=${"y".repeat(5_000)}` };
    const { jobId } = await new Promise<{ readonly jobId: string }>((resolve, reject) => {
      // Other clients join a header that is there twice.
      const request = httpRequest(
        `${system.api.url}/v1/jobs`,
        { method: "POST", headers: { ...headers, ...(value !== undefined && { traceparent: value }) } },
        (response) => {
          let text = "";
          response.on("data", (chunk: Buffer) => (text += chunk.toString()));
          response.once("end", () => resolve(JSON.parse(text) as { readonly jobId: string }));
        },
      );
      request.once("error", reject);
      request.end(body);
    });
    const job = (await system.api.jobs.get(jobId))?.value;
    expect(job?.trace).toMatch(UNSAMPLED);
    expect(job?.trace?.toLowerCase()).not.toContain("e".repeat(32));
    expect((await system.api.post(`/v1/jobs/${jobId}/cancel`)).status).toBe(200);
  });
});

describe("jobs that share a process", () => {
  it("are told their own traces, though they run at the same time", async () => {
    const traceIds = ["1".repeat(32), "2".repeat(32)] as const;
    const names = ["one", "two"] as const;
    const [one, two] = await Promise.all(
      names.map((jobName, i) =>
        submit("Meets", traceparent(traceIds[i] ?? "", "01"), {
          ...{ jobName, jobProcessorPackageName: "shared.zip", parameters: { other: names[1 - i] } },
        }),
      ),
    );
    const jobs = await Promise.all([one, two].map((jobId) => system.until(jobId ?? "")));
    const told = jobs.map(({ output }) => JSON.parse(output ?? "") as { trace: string; pid: number; inherited: null });
    expect(told[0]?.pid).toBe(told[1]?.pid);
    for (const [i, traceId] of traceIds.entries()) {
      const process = await eventually(() => {
        const found = spansOf(traceId).find(({ name }) => name === "process");
        expect(found).toBeDefined();
        return found;
      });
      expect(told[i]).toMatchObject({ trace: `00-${traceId}-${process?.spanId ?? ""}-01`, inherited: null });
    }
  });
});

describe("a run of a timer", () => {
  it("starts a trace at each attempt, and an attempt links to the one before", async () => {
    await using bench = createTimerBench(system);
    const at = new Date(Math.floor(Date.now() / 1_000) * 1_000 - 5_000);
    const timer = await bench.register({
      ...{ tenantName: tenant, timerName: "Fails", cron: "* * * * * *", graceMs: 300_000 },
      activeFrom: new Date(at.getTime() - 1_000),
    });
    const jobId = await timer.tick(at);
    expect(await system.until(jobId)).toMatchObject({ state: "failed", executions: 2 });
    const [first, second] = await eventually(() => {
      expect(attemptsOf(jobId)).toHaveLength(2);
      return attemptsOf(jobId);
    });
    expect([first?.parentSpanId, second?.parentSpanId]).toEqual([undefined, undefined]);
    expect(second?.links).toEqual([first?.spanId]);
    expect(second?.traceId).not.toBe(first?.traceId);
  });
});
