/**
 * Jobs that do nothing, as fast as one worker runs them. The worker is stopped while they are submitted, so that every job
 * waits when it goes on. The rate counts until the last job has ended by its own row.
 */
import type { Stack } from "../runtime/local/stack.ts";
import { endedJobs, type Isolation, jobOf, pidOf, prepare, submitMany, TENANT, withStack } from "./stack.ts";
import { type Options, type Report, rounded, scaled } from "./suite.ts";

/** By isolation and slots: the number of jobs. */
const SHAPES: readonly { readonly isolation: Isolation; readonly slots: number; readonly jobs: number }[] = [
  { isolation: "reuse", slots: 4, jobs: 600 },
  { isolation: "reuse", slots: 64, jobs: 1_500 },
  { isolation: "process", slots: 4, jobs: 150 },
];
const WARM_UP_JOBS = 20;
const WORKER = "worker-1";

export async function run(report: Report, options: Options): Promise<void> {
  for (const { isolation, slots, jobs } of SHAPES) {
    await withStack({ workers: 1, slots }, async (stack) => {
      const rate = await measureThroughput(stack, isolation, scaled(jobs, options));
      report({ name: `${isolation}, 1 worker, ${slots} slots`, value: rounded(rate), unit: "jobs/s" });
    });
  }
}

async function measureThroughput(stack: Stack, isolation: Isolation, count: number): Promise<number> {
  const { client, call } = await prepare(stack);
  const job = jobOf("Nothing", isolation);
  const warm = await client.management.createBatch({ tenantName: TENANT, batchName: "Warm up" });
  await submitMany(call, warm, job, WARM_UP_JOBS);
  await endedJobs(client, warm, WARM_UP_JOBS);

  const batchId = await client.management.createBatch({ tenantName: TENANT, batchName: "Throughput" });
  process.kill(pidOf(stack, WORKER), "SIGSTOP");
  await submitMany(call, batchId, job, count);
  const startedAt = Date.now();
  process.kill(pidOf(stack, WORKER), "SIGCONT");
  const jobs = await endedJobs(client, batchId, count);
  const endedAt = Math.max(...jobs.map(({ endedAt }) => Date.parse(endedAt ?? "")));
  return count / ((endedAt - startedAt) / 1_000);
}
