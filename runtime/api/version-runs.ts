/** Submits the run that a timer with `runOnDeploy` makes for every version of its package: an ordinary job of its batch. */
import type { BatchStore } from "../core/ports/batch-store.ts";
import type { JobStore } from "../core/ports/job-store.ts";
import { tickJobId, type Timer } from "../core/timer.ts";
import type { Acceptance } from "./accept-jobs.ts";
import type { Caller } from "./caller.ts";
import { prepareJob } from "./prepare-job.ts";
import { newTimerBatch } from "./timer-batch.ts";

export interface VersionRunDeps {
  readonly batches: Pick<BatchStore, "create">;
  readonly jobs: Pick<JobStore, "get">;
  readonly acceptance: Pick<Acceptance, "accept">;
  readonly now: () => Date;
}

/** Shown as who submitted it. */
const TIMER_CALLER: Caller = { name: "timer", mayUse: () => true, mayOperate: () => false, tenants: () => "all" };

/** Once for a version: the id of the run follows from it and from when it was first published. Throws UnavailableError. */
export function createVersionRuns({ batches, jobs, acceptance, now }: VersionRunDeps) {
  return async (timer: Timer, publishedAt: Date): Promise<void> => {
    const { tenantName, packageName, timerName, pool, priority, packageHash } = timer;
    const jobId = tickJobId(timer, publishedAt, `deploy:${packageHash}`);
    const known = await jobs.get(jobId);
    if (known !== undefined && known.value.state !== "queued") return;
    const batch = await batches.create(newTimerBatch(timer, now()));
    const request = {
      tenantName,
      jobType: timerName,
      jobName: timerName,
      jobProcessorPackageName: packageName,
      parameters: { trigger: "deploy", scheduledAt: publishedAt.toISOString(), missedCount: 0 },
      priority,
    };
    const [outcome] = await acceptance.accept(TIMER_CALLER, [
      {
        prepared: prepareJob(request, now()),
        // The batch keeps the pool it was made with, the timer may have got another since.
        batch: { ...batch, pool },
        // One that waits may have lost its bell.
        reservation: { id: jobId, isFirst: known === undefined },
      },
    ]);
    if (outcome?.ok === false) throw outcome.error;
  };
}
