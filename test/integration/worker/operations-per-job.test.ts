import { describe, expect, it } from "vitest";
import {
  CROWDED_JOB,
  JOB_WITH_ALL_EVENTS,
  SINGLE_JOB,
  type OperationsPerJob,
} from "../../../infra/plan/operations-per-job.ts";
import { eventuallyFound } from "../../support/eventually.ts";
import { type Counts, since } from "../../support/operations/operation-meter.ts";
import { startMeteredSystem } from "../../support/operations/metered-system.ts";
import { perJob, uncovered } from "../../support/operations/per-job.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";

const packageClock = (): number => performance.now();
/** An answer about a package serves for a second. A machine that is ten times slower asks as often. */
const slowPackageClock = (): number => performance.now() / 10;
const HOUR_MS = 3_600_000;
const PACKAGE = testPackage({ jobs: { Nothing: "return {};" }, isolation: "reuse" });

/** Fails with everything that was counted, when any entry is above its bound. */
function expectWithin(bounds: OperationsPerJob, counts: Counts, jobCount: number, apiInstances = 1): void {
  expect(uncovered(counts)).toEqual([]);
  const counted = perJob(counts, jobCount, apiInstances);
  const above = Object.entries(counted).filter(([name, value]) => value > bounds[name as keyof OperationsPerJob]);
  expect(above, `of ${JSON.stringify(counts)}`).toEqual([]);
  // A meter that sees nothing would let everything pass.
  expect(counted.tableTransactions).toBeGreaterThan(0);
  expect(counted.bellsReceived).toBeGreaterThanOrEqual(1);
}

describe("operations per job", () => {
  it.each([
    ["terminal", 1, SINGLE_JOB],
    ["terminal", 2, SINGLE_JOB],
    ["all", 2, JOB_WITH_ALL_EVENTS],
  ] as const)(
    "a single job with %s events needs no more operations than its bounds allow, with %i API instances",
    async (events, apis, bounds) => {
      await using metered = await startMeteredSystem(events);
      const { system } = metered;
      const tenant = freshTenant();
      await system.publish(tenant, "test.zip", PACKAGE);
      if (apis === 2) await system.anotherApi();
      // The start and the end of a job are noted together, however long it takes on a slow machine.
      await using worker = await system.startWorker({ slots: 2, packageClock, indexLingerMs: HOUR_MS });
      const runOne = async (): Promise<void> => {
        await metered.settled([await system.submit(tenant, "Nothing")], apis);
        await worker.flushIndex();
      };
      // Fetches the package, opens links, fills caches.
      await runOne();
      const warm = metered.counts();
      const jobCount = 5;
      for (let i = 0; i < jobCount; i++) await runOne();
      await eventuallyFound(() => worker.runningCount === 0);
      expectWithin(bounds, since(warm, metered.counts()), jobCount, apis);
    },
  );

  it("a job among many on 64 slots needs no more operations than its bounds allow", async () => {
    await using metered = await startMeteredSystem();
    const { system } = metered;
    const tenant = freshTenant();
    await system.publish(tenant, "test.zip", PACKAGE);
    const job = { tenantName: tenant, jobType: "Nothing", jobName: "one of many", jobProcessorPackageName: "test.zip" };
    const jobs = Array.from({ length: 256 }, () => job);
    let warm: Counts = {};
    {
      // All ends are noted in the index together, as they are by a worker that ends as many in its moment.
      await using worker = await system.startWorker({
        slots: 64,
        packageClock: slowPackageClock,
        indexLingerMs: HOUR_MS,
      });
      const batch = await system.api.post("/v1/batches", { tenantName: tenant, batchName: "Many" });
      const { batchId } = batch.body;
      warm = await metered.settled([await system.submit(tenant, "Nothing", { batchId })]);
      const { body } = await system.api.post("/v1/jobs/bulk", { batchId, jobs });
      await metered.settled(body.results.map(({ jobId }) => jobId));
      await eventuallyFound(() => worker.runningCount === 0);
    }
    expectWithin(CROWDED_JOB, since(warm, metered.counts()), jobs.length);
  });
});
