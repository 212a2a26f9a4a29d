import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_POOL, jobQueueName } from "../../../runtime/core/deployment/topology.ts";
import { openClaimJournal } from "../../../runtime/worker/claim-journal.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem } from "../../support/test-system.ts";
import { receiveOne } from "../../support/bus/fake-delivery.ts";

/** Longer than any test: a job that has to wait for a lock does not end. */
const LOCK_MS = 300_000;

const tenant = freshTenant();
let system: TestSystem;

beforeAll(async () => {
  system = await startTestSystem({ lockMs: LOCK_MS });
  await system.publish(tenant, "test.zip", testPackage({ jobs: { Quick: `return { output: job.parameters };` } }));
});
afterAll(() => system[Symbol.asyncDispose]());

/** Takes the next message as a worker does that is then killed: nobody settles it, and its lock holds. */
async function takeAndDie(): Promise<{
  readonly jobId: string;
  readonly queue: string;
  readonly sequenceNumber: string;
}> {
  const doomed = system.queue();
  const delivery = await receiveOne(doomed.receiver(jobQueueName(DEFAULT_POOL, "normal")), 5_000);
  if (delivery?.parsed.kind !== "bell") throw new Error("No bell came.");
  await doomed.close();
  return { jobId: delivery.parsed.bell.jobId, queue: delivery.queue, sequenceNumber: delivery.sequenceNumber };
}

describe("a worker that starts where one was killed", () => {
  it("a worker that replaces a killed one runs its unclaimed and unread messages at once", async () => {
    await using directory = await temporaryDirectory();
    const killed = openClaimJournal(join(directory.path, "claims"), "killed");
    const jobIds = [await system.submit(tenant, "Quick"), await system.submit(tenant, "Quick")];
    killed.begin({ claimId: "never-written", ...(await takeAndDie()) });
    await takeAndDie();

    await using worker = await system.startWorker({ directory: directory.path });
    for (const jobId of jobIds) {
      expect(await system.until(jobId)).toMatchObject({
        state: "succeeded",
        executions: 1,
        interruptions: 0,
        history: [{ workerId: worker.workerId }],
      });
    }
  });

  it("a worker that replaces a killed one runs messages that were on their way to it", async () => {
    await using directory = await temporaryDirectory();
    openClaimJournal(join(directory.path, "claims"), "killed");
    const jobId = await system.submit(tenant, "Quick");
    await takeAndDie();

    await using worker = await system.startWorker({ directory: directory.path });
    expect(await system.until(jobId)).toMatchObject({ executions: 1, history: [{ workerId: worker.workerId }] });
  });
});
