import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { subjectOf } from "../../../runtime/core/job/message.ts";
import { DEFAULT_POOL, jobQueueName } from "../../../runtime/core/deployment/topology.ts";
import { createBatchCompletion } from "../../../runtime/lifecycle/batch-completion.ts";
import { createTimerRuns } from "../../../runtime/timers/run/timer-runs.ts";
import { claimJob, type Claimed } from "../../../runtime/worker/attempt/claim.ts";
import { silentEvents, silentLog } from "../../support/silent.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem } from "../../support/test-system.ts";
import { createTimerBench, type BenchTimer, type TimerBench } from "../../support/timers/timer-bench.ts";
import { receiveOne } from "../../support/bus/fake-delivery.ts";

let system: TestSystem;
let bench: TimerBench;

beforeAll(async () => {
  // What is judged before a dead worker's lock ends has to happen in this time, also on a busy machine.
  system = await startTestSystem({ lockMs: 20_000 });
  bench = createTimerBench(system);
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

const START = Math.floor(Date.now() / 1_000) * 1_000 - 10_000;
const base = (seconds: number): Date => new Date(START + seconds * 1_000);

async function quickTimer(isolation: "process" | "reuse" = "process"): Promise<BenchTimer> {
  const tenantName = freshTenant();
  const jobs = { Quick: `return { output: { fence: job.fence, interruption: job.interruption } };` };
  await system.publish(tenantName, "test.zip", testPackage({ jobs, isolation }));
  const fields = { graceMs: 300_000, cron: "* * * * * *", activeFrom: base(-1) };
  return bench.register({ tenantName, timerName: "Quick", ...fields });
}

/** Takes the next message as a worker does, up to the moment named, and is then no more: the message's lock ends. */
async function dieAfter(moment: "receipt" | "row" | "claim"): Promise<Claimed | undefined> {
  const queue = system.queue();
  const { jobs, batches } = system.api;
  const delivery = await receiveOne(queue.receiver(jobQueueName(DEFAULT_POOL, "normal")), 10_000);
  if (delivery?.parsed.kind !== "tick") throw new Error("No tick came.");
  const { timers } = bench;
  const now = (): Date => new Date();
  const shared = { jobs, batches, timers, queue, events: silentEvents, pool: DEFAULT_POOL, now, log: silentLog };
  const { onTick, ...forClaim } = createTimerRuns({ ...shared, completion: createBatchCompletion(shared) });
  let claimed: Claimed | undefined;
  if (moment !== "receipt") await onTick(delivery.parsed.tick, { delivery, log: silentLog });
  if (moment === "claim") {
    const request = { delivery, bell: subjectOf(delivery.parsed)!, claimId: randomUUID() };
    const dead = { workerId: "dead", bootId: "dead" };
    claimed = await claimJob(request, { ...shared, ...forClaim, ...dead }, new AbortController().signal);
  }
  return claimed;
}

describe("a worker that dies", () => {
  it("a worker that dies in a run keeps the timer held until another takes the run over", async () => {
    const quick = await quickTimer();
    const first = await quick.tick(base(0));
    const claimed = await dieAfter("claim");
    expect(claimed).toMatchObject({ jobId: first, fence: 1 });
    expect(await quick.job(first)).toMatchObject({ state: "running", claim: { workerId: "dead" } });
    expect(await quick.run()).toMatchObject({ currentJobId: first });

    await using worker = await system.startWorker();
    const skipped = await system.until(await quick.tick(base(1)));
    expect(skipped).toMatchObject({ state: "canceled", failure: { code: "TimerSkipped" } });
    expect(await quick.job(first)).toMatchObject({ state: "running", claim: { workerId: "dead" } });
    const job = await system.until(first);
    expect(job).toMatchObject({ state: "succeeded", executions: 2, interruptions: 1 });
    expect(job.history[1]!.workerId).toBe(worker.workerId);
    const output = JSON.parse(job.output!) as { fence: number };
    expect(output.fence).toBeGreaterThan(claimed!.fence!);
    const next = await system.until(await quick.tick(base(2)));
    expect((JSON.parse(next.output!) as { fence: number }).fence).toBeGreaterThan(output.fence);
  });

  it.each(["receipt", "row"] as const)("a tick whose worker died after %s runs once elsewhere", async (moment) => {
    const quick = await quickTimer();
    const first = await quick.tick(base(0));
    await dieAfter(moment);
    expect((await quick.job(first))?.state).toBe(moment === "row" ? "queued" : undefined);
    await using worker = await system.startWorker();
    expect(await system.until(first)).toMatchObject({
      state: "succeeded",
      executions: 1,
      interruptions: 0,
      history: [{ workerId: worker.workerId }],
    });
  });
});

describe("a run in a shared process", () => {
  it("a run in a shared process has its fence", async () => {
    await using worker = await system.startWorker({ slots: 2 });
    const quick = await quickTimer("reuse");
    for (const count of [1, 2]) {
      const job = await system.until(await quick.tick(base(count)));
      expect(JSON.parse(job.output!)).toEqual({ fence: count, interruption: 0 });
      expect(job.history[0]!.workerId).toBe(worker.workerId);
    }
  });
});
