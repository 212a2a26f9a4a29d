import { describe, expect, it } from "vitest";
import type { BatchView } from "../../runtime/core/http/views.ts";
import { apiOf, jobsOf, processesOf, runningIn, startLocal } from "../support/processes/local-run.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { clientOf, submitYears, WITH_TEST_PACKAGES } from "../support/test-packages.ts";

const JOBS = 26;
/** How long each of them takes. */
const SECONDS = 0.5;
/** They are still running when the next start looks for programs of the last one. */
const LONG_JOBS = 4;
const LONG_SECONDS = 10;

describe("npm start", () => {
  it.each(["worker-1", "bus", "api", "identity"])(
    "finishes every job exactly once although %s is killed in the middle",
    async (program) => {
      await using home = await temporaryDirectory();
      await using run = startLocal(home.path, WITH_TEST_PACKAGES, { JOBYARD_LOCK_SECONDS: "5" });
      const { api, client } = await clientOf(run, home.path);
      const batchId = await submitYears(client, JOBS, SECONDS);
      await expect.poll(() => runningIn(api, batchId), { timeout: 30_000, interval: 20 }).toBeGreaterThan(0);
      process.kill(run.programs().get(program)!, "SIGKILL");
      await run.says(`${program} ended (SIGKILL). Restarting it.`);
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
      expect(processesOf(home.path)).toEqual([]);
    },
  );

  it("hands back a killed worker's jobs when it restarts, long before their locks expire", async () => {
    await using home = await temporaryDirectory();
    const options = [...WITH_TEST_PACKAGES, "--workers", "1"];
    await using run = startLocal(home.path, options, { JOBYARD_LOCK_SECONDS: "300" });
    const { api, client } = await clientOf(run, home.path);
    // They still run when the worker is killed, also on a busy machine.
    const batchId = await submitYears(client, LONG_JOBS, LONG_SECONDS);
    await expect.poll(() => runningIn(api, batchId), { timeout: 30_000, interval: 20 }).toBeGreaterThan(0);
    process.kill(run.programs().get("worker-1")!, "SIGKILL");
    const killedAt = performance.now();
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
    const batchId = await submitYears(client, LONG_JOBS, LONG_SECONDS);
    await expect.poll(() => runningIn(first, batchId), { timeout: 30_000, interval: 20 }).toBeGreaterThan(0);
    run.process.kill("SIGKILL");
    await run.exited;
    await using next = startLocal(home.path, WITH_TEST_PACKAGES);
    const api = await apiOf(next, home.path);
    expect(next.output.stdout).toMatch(/! Waiting for an earlier Jobyard in .* to end \(process \d+, since /);
    await expect
      .poll(async () => (await api.get<BatchView>(`/batches/${batchId}`)).counts, { timeout: 60_000 })
      .toMatchObject({ succeeded: LONG_JOBS, total: LONG_JOBS });
    // A worker that could not reach storage and broker at its end would have left its jobs locked.
    for (const { interruptions } of await jobsOf(api, batchId)) expect(interruptions).toBe(0);
    next.process.kill("SIGKILL");
    await next.exited;
    await expect.poll(() => processesOf(home.path), { timeout: 60_000 }).toEqual([]);
  });
});
