/**
 * Kills a worker with 200 running jobs: 600 jobs that sleep two seconds, one worker of 200 slots, default settings
 * (locks of 60 s), restarted at once by its supervisor. The ideal is a little over four seconds: two seconds for the
 * 200 that were killed, and two for the 200 that had not started. Runs for each isolation level, and for comparison a
 * bare loop of forks that does the same as the isolated level.
 */
import { fork } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connectStorage, createPackageStore } from "../runtime/azure/index.ts";
import type { JobView } from "../runtime/client/index.ts";
import { type StateCounts, openOf } from "../runtime/core/job/states.ts";
import { ADMIN_APPLICATION } from "../runtime/local/identity/principals.ts";
import { type Stack, localClient } from "../runtime/local/stack.ts";
import { testPackage } from "../test/support/packages/test-package.ts";
import type { Benchmark } from "./bench.ts";
import { withStack } from "./bench-stack.ts";

const JOBS = 600;
const SLOTS = 200;
const SLEEP_MS = 2_000;
/** Of the slots, in one sample: some jobs are always ending or starting. */
const NEARLY_ALL_SLOTS = 0.95 * SLOTS;
/** Before the kill, because all slots are taken only for a short time. */
const WATCH_EVERY_MS = 20;
/** After the kill, because each sample costs the API and the storage time on the measured machine. */
const LOOK_EVERY_MS = 100;

export const benchmark: Benchmark = async (report) => {
  for (const isolation of ["reuse", "process"] as const) {
    const { killToDoneMs, runMs, running, twice } = await withStack({ workers: 1, slots: SLOTS }, (stack) =>
      killInTheMiddle(stack, isolation),
    );
    report({ name: `${isolation}: kill until all ${JOBS} are done`, value: Math.round(killToDoneMs), unit: "ms" });
    report({ name: `${isolation}: submit until all are done`, value: Math.round(runMs), unit: "ms" });
    report({ name: `${isolation}: jobs running at the kill`, value: running, unit: "jobs" });
    report({ name: `${isolation}: jobs interrupted and run again`, value: twice, unit: "jobs" });
  }
  report({
    name: `bare fork loop: ${JOBS} sleeps, ${SLOTS} at a time`,
    value: Math.round(await forkLoop()),
    unit: "ms",
  });
};

interface Recovery {
  readonly killToDoneMs: number;
  readonly runMs: number;
  /** When the worker was killed. */
  readonly running: number;
  readonly twice: number;
}

async function killInTheMiddle(stack: Stack, isolation: "process" | "reuse"): Promise<Recovery> {
  const storage = connectStorage({ kind: "connection-string", storage: stack.storageConnectionString });
  const sleep = `await new Promise((resolve) => setTimeout(resolve, ${SLEEP_MS}));`;
  await createPackageStore({ storage }).upload(
    "bench",
    "bench.zip",
    testPackage({ jobs: { Sleep: sleep }, isolation }),
  );

  const { management, monitoring } = await localClient(stack, ADMIN_APPLICATION);
  const batchId = await management.createBatch({ tenantName: "bench", batchName: "Recovery" });
  const job = { tenantName: "bench", jobType: "Sleep", jobName: "sleep", jobProcessorPackageName: "bench.zip" };
  const startedAt = performance.now();
  for await (const result of management.submitJobs(Array<typeof job>(JOBS).fill(job), batchId)) {
    if ("error" in result) throw new Error(result.error.message);
  }

  let running = 0;
  // In the second wave. All slots are taken only if starting jobs is quicker than running them.
  await until(async () => {
    const current = await counts();
    if (openOf(current) === 0) throw new Error("All jobs were done before the worker could be killed.");
    running = current.running;
    return current.succeeded >= SLOTS && (isolation === "process" || running >= NEARLY_ALL_SLOTS);
  }, WATCH_EVERY_MS);
  const pid = stack.supervisor.pidOf("worker-1");
  if (pid === undefined) throw new Error("The worker has already ended.");
  process.kill(pid, "SIGKILL");
  const killedAt = performance.now();
  await until(async () => openOf(await counts()) === 0, LOOK_EVERY_MS);
  const doneAt = performance.now();
  const jobs: JobView[] = [];
  for await (const found of monitoring.getJobsFromBatch(batchId, { pageSize: 1_000 })) jobs.push(found);
  const wrong = jobs.filter(({ state }) => state !== "succeeded");
  if (jobs.length !== JOBS || wrong.length > 0)
    throw new Error(`${wrong.length} of ${jobs.length} jobs did not succeed.`);
  const twice = jobs.filter(({ interruptions }) => interruptions > 0).length;
  return { killToDoneMs: doneAt - killedAt, runMs: doneAt - startedAt, running, twice };

  async function counts(): Promise<StateCounts> {
    const batch = await monitoring.getBatch(batchId);
    if (batch.counts === undefined) throw new Error("The API returned no counts.");
    return batch.counts;
  }
}

async function until(condition: () => Promise<boolean>, everyMs: number): Promise<void> {
  while (!(await condition())) await pause(everyMs);
}

/** The machine's best case when every job is a process. */
async function forkLoop(): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), "jobyard-bench-"));
  const file = join(directory, "sleep.mjs");
  await writeFile(file, `setTimeout(() => process.exit(0), ${SLEEP_MS});`);
  const startedAt = performance.now();
  let left = JOBS;
  const runOne = async (): Promise<void> => {
    while (left-- > 0) await new Promise((resolve) => fork(file, { stdio: "ignore" }).once("exit", resolve));
  };
  await Promise.all(Array.from({ length: SLOTS }, runOne));
  const took = performance.now() - startedAt;
  await rm(directory, { recursive: true, force: true });
  return took;
}
