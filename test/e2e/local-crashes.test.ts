import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { JobServiceClient } from "../../runtime/client/index.ts";
import type { BatchView } from "../../runtime/core/http/views.ts";
import { eventually } from "../support/eventually.ts";
import { testPackage } from "../support/packages/test-package.ts";
import { apiOf, jobsOf, processesOf, runningIn, startLocal } from "../support/processes/local-run.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { clientOf, WITH_TEST_PACKAGES } from "../support/test-packages.ts";

const JOBS = 26;
/** The first of them wait for nothing. */
const FREE_JOBS = 6;
/** Two workers have a slot for each on every machine. */
const HELD_JOBS = 2;
const WAIT = { timeout: 120_000 };

/** Publishes a package, and submits jobs that each run until their gate, a file, is there. Resolves to the batch's id. */
async function submitGated({ management }: JobServiceClient, gates: readonly string[]): Promise<string> {
  const run = `
    context.progress("waits");
    while (!fs.existsSync(job.parameters)) await new Promise((resolve) => setTimeout(resolve, 20));`;
  await management.publishPackage("demo", "gated.zip", new Uint8Array(testPackage({ jobs: { Gated: run } })));
  const batchId = await management.createBatch({ tenantName: "demo", batchName: "Gated" });
  const requests = gates.map((gate, index) => ({
    ...{ tenantName: "demo", jobType: "Gated", jobName: `${index}` },
    ...{ jobProcessorPackageName: "gated.zip", parameters: gate },
  }));
  for await (const result of management.submitJobs(requests, batchId)) {
    if ("error" in result) throw new Error(result.error.message);
  }
  return batchId;
}

describe("npm start", () => {
  it.each(["worker-1", "bus", "api", "identity"])(
    "finishes every job exactly once although %s is killed in the middle",
    async (program) => {
      await using home = await temporaryDirectory();
      await using run = startLocal(home.path, WITH_TEST_PACKAGES, { JOBYARD_LOCK_SECONDS: "5" });
      const { api, client } = await clientOf(run, home.path);
      const gate = join(home.path, "gate");
      const gates = Array.from({ length: JOBS }, (_, index) => (index < FREE_JOBS ? home.path : gate));
      const batchId = await submitGated(client, gates);
      await eventually(async () => {
        const { counts } = await api.get<BatchView>(`/batches/${batchId}`);
        expect(counts?.succeeded).toBeGreaterThan(0);
        expect(counts?.running).toBeGreaterThan(0);
      }, WAIT);
      process.kill(run.programs().get(program)!, "SIGKILL");
      await run.says(`${program} ended (SIGKILL). Restarting it.`);
      await writeFile(gate, "");
      await client.waitForBatch(batchId);

      const jobs = await jobsOf(api, batchId);
      expect(jobs.length).toBe(JOBS);
      for (const { state, history } of jobs) {
        expect(state).toBe("succeeded");
        expect(history.filter(({ outcome }) => outcome === "succeeded").length).toBe(1);
        expect(history.filter(({ outcome }) => outcome === "failed").length).toBe(0);
      }
      const { counts } = await api.get<BatchView>(`/batches/${batchId}`);
      expect(counts).toMatchObject({ succeeded: JOBS, total: JOBS });
      run.process.kill("SIGTERM");
      expect(await run.exited).toBe(0);
      await eventually(() => expect(processesOf(home.path)).toEqual([]));
    },
  );

  it("hands back a killed worker's jobs when it restarts, long before their locks expire", async () => {
    await using home = await temporaryDirectory();
    const options = [...WITH_TEST_PACKAGES, "--workers", "1"];
    await using run = startLocal(home.path, options, { JOBYARD_LOCK_SECONDS: "300" });
    const { api, client } = await clientOf(run, home.path);
    const gate = join(home.path, "gate");
    const batchId = await submitGated(client, [gate, gate]);
    await expect.poll(() => runningIn(api, batchId), WAIT).toBeGreaterThan(0);
    process.kill(run.programs().get("worker-1")!, "SIGKILL");
    const killedAt = performance.now();
    await run.says("worker-1 ended (SIGKILL). Restarting it.");
    await writeFile(gate, "");
    await client.waitForBatch(batchId);
    // A job that waits for its lock to expire cannot end by then.
    expect(performance.now() - killedAt).toBeLessThan(250_000);
    const interrupted = (await jobsOf(api, batchId)).filter(({ interruptions }) => interruptions > 0);
    expect(interrupted.length).toBeGreaterThan(0);
    for (const { state, attempts } of interrupted)
      expect({ state, attempts }).toEqual({ state: "succeeded", attempts: 1 });
  });

  it("is killed: its programs finish jobs and stop in order, and the next start waits for them and loses nothing", async () => {
    await using home = await temporaryDirectory();
    await using run = startLocal(home.path, WITH_TEST_PACKAGES);
    const { api: first, client } = await clientOf(run, home.path);
    const gate = join(home.path, "gate");
    const batchId = await submitGated(client, Array<string>(HELD_JOBS).fill(gate));
    // All of them are in their own code: what has yet to start at the kill may not end in the time that it gets.
    await expect
      .poll(async () => (await jobsOf(first, batchId)).map(({ progress }) => progress?.text), WAIT)
      .toEqual(Array<string>(HELD_JOBS).fill("waits"));
    run.process.kill("SIGKILL");
    await run.exited;
    await using next = startLocal(home.path, WITH_TEST_PACKAGES);
    await next.says(/! Waiting for an earlier Jobyard in .* to end \(process \d+, since /);
    await writeFile(gate, "");
    const api = await apiOf(next, home.path);
    await expect
      .poll(async () => (await api.get<BatchView>(`/batches/${batchId}`)).counts, WAIT)
      .toMatchObject({ succeeded: HELD_JOBS, total: HELD_JOBS });
    // A worker that could not reach storage and broker at its end would have left its jobs locked.
    for (const { interruptions } of await jobsOf(api, batchId)) expect(interruptions).toBe(0);
    next.process.kill("SIGKILL");
    await next.exited;
    await eventually(() => expect(processesOf(home.path)).toEqual([]), WAIT);
  });
});
