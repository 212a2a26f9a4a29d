/** The batch of a timer that has never run, in a tenant of its own. */
import type { BatchStore } from "../../runtime/core/ports/batch-store.ts";
import { batchIdOf } from "../../runtime/core/timer.ts";
import { wakeTimerBatch } from "../../runtime/jobs/timer-jobs.ts";
import { timerOf } from "./builders.ts";
import { freshTenant } from "./test-storage.ts";

/** Resolves to its id. */
export async function timerBatch(batches: BatchStore): Promise<string> {
  const timer = timerOf({ tenantName: freshTenant() });
  await wakeTimerBatch(batches, timer, new Date());
  return batchIdOf(timer);
}
