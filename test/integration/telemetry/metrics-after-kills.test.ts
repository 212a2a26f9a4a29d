/** After retries and kill -9 of a worker, the metrics that were exported agree with the rows, as far as a kill allows. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { HistoryEntry, Job } from "../../../runtime/core/job/job.ts";
import { TERMINAL_STATES } from "../../../runtime/core/job/states.ts";
import { SETTING } from "../../../runtime/core/settings/names.ts";
import { eventually } from "../../support/eventually.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { startApiProcess } from "../../support/processes/api-process.ts";
import { type WorkerProcess, startWorkerProcess } from "../../support/processes/worker-process.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../../support/telemetry/otlp-receiver.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../support/temporary-directory.ts";
import { type TestSystem, startTestSystem } from "../../support/test-system.ts";

const JOBS = 200;
/** Fewer than a worker's slots. */
const HELD = 2;
const tenant = freshTenant();
/** An attempt that another worker took over is interrupted in the row, and lost to who counts it. */
const OUTCOMES = { succeeded: ["succeeded"], failed: ["failed"], interrupted: ["interrupted", "lost"] } as const;
let receiver: OtlpReceiver;
let system: TestSystem;
let directory: TemporaryDirectory;

beforeAll(async () => {
  receiver = await startOtlpReceiver();
  directory = await temporaryDirectory();
  // Jobs of the killed worker wait for its end, so it is not so long.
  system = await startTestSystem({ account: "telemetrykills", lockMs: 20_000 });
  const jobs = {
    Quick: `return {};`,
    Held: `if (job.workerId === "victim") await new Promise(() => setInterval(() => undefined, 1_000)); return {};`,
    FailsOnce: `if (job.attempt === 1) throw new Error("once"); return {};`,
    FailsForGood: `throw nonRetryable("for good");`,
  };
  await system.publish(tenant, "test.zip", testPackage({ jobs, isolation: "reuse" }));
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
});

const telemetry = () => ({
  [SETTING.otlpEndpoint]: receiver.url,
  [SETTING.traceRatio]: "0",
  [SETTING.metricsInterval]: "1000",
});

async function startWorker(workerId: string): Promise<WorkerProcess> {
  const worker = startWorkerProcess({
    ...system.connections,
    [SETTING.workerId]: workerId,
    [SETTING.workerDirectory]: join(directory.path, workerId),
    [SETTING.lockSeconds]: String(system.lockMs / 1_000),
    [SETTING.slots]: "4",
    ...telemetry(),
  });
  await worker.ready;
  return worker;
}

/** What a process counted until its latest export. */
const counted = (instance: string, metric: string, outcome?: string): number =>
  receiver
    .points()
    .filter((point) => point.process["service.instance.id"] === instance && point.metric === metric)
    .filter(({ attributes }) => outcome === undefined || attributes["outcome"] === outcome)
    .reduce((sum, { value }) => sum + value, 0);

const readJobs = async (ids: readonly string[]): Promise<readonly Job[]> =>
  Promise.all(ids.map(async (jobId) => (await system.api.jobs.get(jobId))!.value));
const endedCount = async (batchId: string): Promise<number> => {
  const { succeeded = 0, failed = 0 } = (await system.api.get(`/v1/batches/${batchId}`)).body.counts ?? {};
  return succeeded + failed;
};

it("what processes counted is what their rows say, and what a killed one counted is part of it", async () => {
  await using api = await startApiProcess(system.bus, "api", { ...system.connections, ...telemetry() });
  const { batchId } = (await system.api.post("/v1/batches", { tenantName: tenant, batchName: "b" })).body;
  const submit = async (jobType: string): Promise<string> => {
    const request = { batchId, tenantName: tenant, jobType, jobName: "n", jobProcessorPackageName: "test.zip" };
    const body = JSON.stringify({ ...request, retry: { initialDelayMs: 20, jitter: 0 } });
    const init = { method: "POST", headers: { "content-type": "application/json" }, body };
    return ((await (await fetch(`${api.url}/v1/jobs`, init)).json()) as { readonly jobId: string }).jobId;
  };
  await using victim = await startWorker("victim");
  const held = await Promise.all(Array.from({ length: HELD }, () => submit("Held")));
  for (const jobId of held) await system.until(jobId, ({ state }) => state === "running");
  await using survivor = await startWorker("survivor");
  const typeOf = (i: number): string => (i % 10 === 0 ? "FailsForGood" : i % 10 < 3 ? "FailsOnce" : "Quick");
  const others = Array.from({ length: JOBS - HELD }, (_, i) => submit(typeOf(i)));
  const ids = [...held, ...(await Promise.all(others))];
  // It has exported something, and is in the middle of its work.
  await eventually(() => expect(counted("victim", "jobyard.job.ended")).toBeGreaterThan(0));
  victim.child.kill("SIGKILL");
  await victim.exited;
  expect(await endedCount(batchId)).toBeLessThan(JOBS);
  await using heir = await startWorker("heir");
  await eventually(async () => expect(await endedCount(batchId)).toBe(JOBS), { interval: 200, timeout: 120_000 });
  for (const worker of [survivor, heir]) {
    worker.child.kill("SIGTERM");
    expect(await worker.exited).toBe(0);
  }
  await api[Symbol.asyncDispose]();

  const jobs = await readJobs(ids);
  const entries = jobs.flatMap(({ history }) => history);
  const interruptions = jobs.reduce((sum, job) => sum + job.interruptions, 0);
  expect(new Set(jobs.map(({ state }) => state))).toEqual(new Set(["succeeded", "failed"]));
  expect(interruptions).toBeGreaterThanOrEqual(HELD);
  expect(counted("api", "jobyard.job.submitted")).toBe(JOBS);

  const ended = (workerId: string, state: string): number =>
    jobs.filter((job) => job.state === state && job.history.at(-1)?.workerId === workerId).length;
  const attempts = (workerId: string, outcome: HistoryEntry["outcome"]): number =>
    entries.filter((entry) => entry.workerId === workerId && entry.outcome === outcome).length;
  const retries = (workerId: string): number =>
    jobs
      .flatMap(({ history }) => history.slice(0, -1))
      .filter((entry) => entry.workerId === workerId && entry.outcome === "failed").length;
  for (const workerId of ["survivor", "heir"]) {
    for (const state of TERMINAL_STATES) {
      expect(counted(workerId, "jobyard.job.ended", state), `${workerId} ${state}`).toBe(ended(workerId, state));
    }
    for (const outcome of ["succeeded", "failed", "interrupted"] as const) {
      const count = OUTCOMES[outcome].reduce((sum, name) => sum + counted(workerId, "jobyard.job.attempts", name), 0);
      expect(count, `${workerId} ${outcome}`).toBe(attempts(workerId, outcome));
    }
    expect(counted(workerId, "jobyard.job.retries"), workerId).toBe(retries(workerId));
  }
  // Between its last export and the kill it counted what nobody knows.
  for (const state of TERMINAL_STATES) {
    expect(counted("victim", "jobyard.job.ended", state)).toBeLessThanOrEqual(ended("victim", state));
  }
  // By whoever took a job over or handed it back. What the victim took over it may have counted in vain.
  const alive = ["api", "survivor", "heir"].map((instance) => counted(instance, "jobyard.job.interruptions"));
  const takenByVictim = jobs.flatMap(({ history }) =>
    history.slice(1).filter(({ workerId }, i) => workerId === "victim" && history[i]?.outcome === "interrupted"),
  );
  const sum = alive.reduce((all, count) => all + count, 0);
  expect(sum).toBeLessThanOrEqual(interruptions);
  expect(sum).toBeGreaterThanOrEqual(Math.max(HELD, interruptions - takenByVictim.length));
});
