import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { JobServiceClient } from "jobyard/client";
import { startJobyard, type TestJobyard } from "jobyard/testing";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { sourcePackage } from "../../support/packages/source-package.ts";
import { processesOf } from "../../support/processes/local-run.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const PACKAGE = {
  "package.json": JSON.stringify({ name: "@acme/sample", version: "1.0.0", type: "module" }),
  "src/jobs.ts": `
import { setTimeout as wait } from "node:timers/promises";
import { defineJob, scalableTimerJob } from "jobyard/job";
export const greet = defineJob({
  jobType: "Greet",
  run: (job) => ({ output: { hello: job.parameters, attempt: job.attempt } }),
});
/** Its first start never ends. */
export const patient = defineJob({
  jobType: "Patient",
  async run(job, { progress }) {
    progress("waiting");
    if (job.interruption === 0) await wait(600_000);
    return { output: { interruption: job.interruption } };
  },
});
export const yearly = scalableTimerJob({ cron: "0 0 0 1 1 *" }, ({ timer }) => ({ output: timer.trigger }));
`,
};

describe("startJobyard", () => {
  let jobyard: TestJobyard;
  let source: Awaited<ReturnType<typeof sourcePackage>>;
  const submit = (jobType: string, parameters?: unknown): Promise<string> =>
    jobyard.client.management.submitJob({
      ...{ tenantName: jobyard.tenantName, jobType, jobName: "test", jobProcessorPackageName: "sample.zip" },
      parameters,
    });

  beforeAll(async () => {
    source = await sourcePackage(PACKAGE);
    jobyard = await startJobyard({ packages: [source.path] });
  });
  afterAll(async () => {
    await jobyard.stop();
    await source[Symbol.asyncDispose]();
  });

  it("runs a job of a published folder to its end", async () => {
    const job = await jobyard.waitForJob(await submit("Greet", { name: "Ada" }));
    expect(job).toMatchObject({ state: "succeeded", output: { hello: { name: "Ada" }, attempt: 1 } });
  });

  it("publishes a changed folder, and the next job runs the new code", async () => {
    await using changed = await sourcePackage({
      ...PACKAGE,
      "src/jobs.ts": PACKAGE["src/jobs.ts"].replace("hello:", "welcome:"),
    });
    expect(await jobyard.publish(changed.path)).toBe("sample.zip");
    const { output } = await jobyard.waitForJob(await submit("Greet", 1));
    expect(output).toMatchObject({ welcome: 1 });
  });

  it("ends a worker as a crash does, and the job runs again", async () => {
    const jobId = await submit("Patient");
    await eventually(async () => {
      expect((await jobyard.client.monitoring.getJob(jobId)).state).toBe("running");
    });
    await jobyard.killWorker();
    expect(await jobyard.waitForJob(jobId)).toMatchObject({ state: "succeeded", output: { interruption: 1 } });
    await expect(jobyard.killWorker("worker-7")).rejects.toThrow("worker-7 is not running");
  });

  it("runs a timer now", async () => {
    const { client, tenantName } = jobyard;
    const jobId = await client.timers.run({ tenantName, packageName: "sample.zip", timerName: "yearly" });
    expect(await jobyard.waitForJob(jobId)).toMatchObject({ state: "succeeded", output: "manual" });
  });

  it("gives programs under test what they need to sign in", async () => {
    const { JOBYARD_URL = "", JOBYARD_CLIENT_ID = "", JOBYARD_CLIENT_SECRET = "" } = jobyard.environment;
    const own = new JobServiceClient(JOBYARD_URL, { fetch: jobyard.fetch });
    await own.authenticate(JOBYARD_CLIENT_ID, JOBYARD_CLIENT_SECRET);
    const names: string[] = [];
    for await (const { timerName } of own.timers.list(jobyard.tenantName)) names.push(timerName);
    expect(names).toEqual(["yearly"]);
    const workers = await jobyard.admin.monitoring.getWorkers();
    expect(workers.map(({ workerId }) => workerId)).toEqual(["worker-1"]);
    expect(await readFile(join(jobyard.directory, "logs/worker-1.log"), "utf8")).not.toBe("");
  });

  it("leaves no process and no folder", async () => {
    const { directory } = jobyard;
    expect(processesOf(directory).length).toBeGreaterThan(4);
    await jobyard.stop();
    await jobyard.stop();
    await eventually(() => expect(processesOf(directory)).toEqual([]));
    expect(existsSync(directory)).toBe(false);
  });
});

it("rejects with the reason when a package cannot be published, and leaves nothing", async () => {
  await using empty = await sourcePackage({ "src/none.ts": "export {};" });
  await using temporary = await temporaryDirectory();
  vi.stubEnv("TMPDIR", temporary.path);
  onTestFinished(() => void vi.unstubAllEnvs());
  await expect(startJobyard({ packages: [empty.path] })).rejects.toThrow("No job is declared");
  expect(await readdir(temporary.path)).toEqual([]);
  await eventually(() => expect(processesOf(temporary.path)).toEqual([]));
});

/** As a test runner and its worker process: the outer one is killed, and the inner one has started the system. */
it("ends with a test runner that is killed", async () => {
  const starts = `
    import { startJobyard } from "jobyard/testing";
    const { directory } = await startJobyard();
    process.send({ directory });`;
  const forks = `
    import { spawn } from "node:child_process";
    const args = ["--input-type=module", "--eval", process.env.STARTS];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    child.on("message", ({ directory }) => console.log(directory));`;
  const runner = spawn(process.execPath, ["--input-type=module", "--eval", forks], {
    cwd: import.meta.dirname,
    env: { PATH: process.env["PATH"] ?? "", STARTS: starts },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [directory] = (await once(createInterface({ input: runner.stdout }), "line")) as [string];
  expect(processesOf(directory).length).toBeGreaterThan(4);
  runner.kill("SIGKILL");
  await eventually(() => {
    expect(processesOf(directory)).toEqual([]);
    expect(existsSync(directory)).toBe(false);
  });
});
