/** Jobs beside a collector that is away, slow, hangs or refuses everything: they end, what is lost is counted, programs stop. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SETTING } from "../../../runtime/core/settings/names.ts";
import { eventually } from "../../support/eventually.ts";
import type { LoopbackAnswer } from "../../support/network/loopback-server.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { startApiProcess } from "../../support/processes/api-process.ts";
import { startWorkerProcess } from "../../support/processes/worker-process.ts";
import { parsePrometheus } from "../../support/prometheus-text.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startOtlpReceiver } from "../../support/telemetry/otlp-receiver.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../support/temporary-directory.ts";
import { type TestSystem, startTestSystem } from "../../support/test-system.ts";

const tenant = freshTenant();
/** A collector that is waited for has ten seconds: these end sooner on a busy machine too. */
const JOBS = 12;
/** Nothing listens there. */
const AWAY = "http://127.0.0.1:9";
let directory: TemporaryDirectory;
let system: TestSystem;

beforeAll(async () => {
  directory = await temporaryDirectory();
  system = await startTestSystem({ account: "telemetryloss" });
  await system.publish(tenant, "test.zip", testPackage({ jobs: { Quick: `return {};` }, isolation: "reuse" }));
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
});

/** A collector that answers at once, but while it is held. */
function holdable() {
  let free = Promise.resolve();
  return {
    answer: (): Promise<LoopbackAnswer> => free.then(() => ({ status: 200, body: {} })),
    /** Returns what lets it answer again. */
    hold(): () => void {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      free = promise;
      return () => resolve(undefined);
    },
  };
}

/** Runs jobs through an API and a worker that export there. */
async function startPrograms(name: string, endpoint: string) {
  const telemetry = { [SETTING.otlpEndpoint]: endpoint, [SETTING.traceRatio]: "1", [SETTING.metricsInterval]: "1000" };
  const api = await startApiProcess(system.bus, `api-${name}`, {
    ...system.connections,
    ...telemetry,
    [SETTING.logLevel]: "info",
  });
  const workerDirectory = join(directory.path, name);
  const worker = startWorkerProcess({
    ...system.connections,
    [SETTING.workerId]: name,
    [SETTING.workerDirectory]: workerDirectory,
    [SETTING.lockSeconds]: String(system.lockMs / 1_000),
    [SETTING.slots]: "4",
    [SETTING.healthPort]: "0",
    ...telemetry,
  });
  const { healthPort } = await worker.ready;
  const token = await readFile(join(workerDirectory, "metrics-token"), "utf8");
  return {
    async runJobs() {
      const request = { tenantName: tenant, jobType: "Quick", jobName: "n", jobProcessorPackageName: "test.zip" };
      const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(request) };
      const submits = Array.from({ length: JOBS }, async () => {
        const response = await fetch(`${api.url}/v1/jobs`, init);
        return ((await response.json()) as { readonly jobId: string }).jobId;
      });
      const jobs = await Promise.all((await Promise.all(submits)).map((jobId) => system.until(jobId)));
      expect(jobs.map(({ state, executions }) => [state, executions])).toEqual(jobs.map(() => ["succeeded", 1]));
    },
    /** Of the worker, by signal. */
    async dropped(): Promise<ReadonlyMap<string | undefined, number>> {
      const headers = { authorization: `Bearer ${token}` };
      const text = await (await fetch(`http://127.0.0.1:${String(healthPort)}/metrics`, { headers })).text();
      const { samples = [] } = parsePrometheus(text).get("jobyard_telemetry_dropped_total") ?? {};
      return new Map(samples.map(({ labels, value }) => [labels["signal"], value]));
    },
    output: () => worker.output(),
    /** In good order; a program that hangs would never end here. */
    async stop() {
      worker.child.kill("SIGTERM");
      expect(await worker.exited).toBe(0);
      await api[Symbol.asyncDispose]();
    },
    async [Symbol.asyncDispose]() {
      await worker[Symbol.asyncDispose]();
      await api.kill();
    },
  };
}

describe("a system whose collector is ill", () => {
  it.each([
    ["is away", undefined],
    ["hangs", () => "silence" as const],
    ["answers 500", () => ({ status: 500, body: {} })],
    ["answers 413", () => ({ status: 413, body: {} })],
  ])("runs all jobs, counts what is lost, says so and stops in time when it %s", async (how, answer) => {
    await using receiver = await startOtlpReceiver({ ...(answer && { answer }) });
    const name = how.replaceAll(" ", "-");
    await using programs = await startPrograms(name, answer === undefined ? AWAY : receiver.url);
    await programs.runJobs();
    // Ten seconds later at the latest, when an export has had its time.
    await eventually(async () => {
      const dropped = await programs.dropped();
      expect(dropped.get("traces")).toBeGreaterThan(0);
      expect(dropped.get("logs")).toBeGreaterThan(0);
    });
    const said = programs.output().match(/"level":"warn".*telemetry has a fault/g);
    expect(said).toHaveLength(1);
    // Others go on, long after the first loss.
    await programs.runJobs();
    await programs.stop();
  });

  it("runs all jobs before a slow one has answered anything, and loses nothing", async () => {
    const slow = holdable();
    await using receiver = await startOtlpReceiver({ answer: slow.answer });
    await using programs = await startPrograms("slow", receiver.url);
    // The first ones take longer than others: a package is unpacked, and a process started.
    await programs.runJobs();
    const release = slow.hold();
    await programs.runJobs();
    release();
    // Before the stop, which has little time for what is left.
    await eventually(() => {
      const attempts = receiver.spans.filter(({ name }) => name.startsWith("process job"));
      expect(new Set(attempts.map(({ traceId }) => traceId)).size).toBe(2 * JOBS);
    });
    expect([...(await programs.dropped()).values()]).toEqual([]);
    await programs.stop();
  });
});
