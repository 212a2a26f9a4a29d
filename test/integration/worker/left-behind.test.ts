import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { MAX_INTERRUPTIONS } from "../../../runtime/core/limits.ts";
import { SETTING } from "../../../runtime/core/settings/names.ts";
import { GIVEN_UP } from "../../../runtime/main/service-process.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem } from "../../support/test-system.ts";
import { startWorkerProcess } from "../../support/processes/worker-process.ts";

const tenant = freshTenant();
let system: TestSystem;

/** What an error of the worker's own looks like to it: thrown from nowhere. */
const BREAK_ON_SIGUSR2 = "--import data:text/javascript,process.on('SIGUSR2',()=>{throw(new(Error)('injected'))})";

beforeAll(async () => {
  system = await startTestSystem();
  const out = "context.outputPath";
  const jobs = {
    ReplacedByLink: `fs.rmdirSync(${out}); fs.symlinkSync("/etc", ${out});`,
    Removed: `fs.rmdirSync(${out}); throw new Error("no luck");`,
    OddName: `fs.writeFileSync(path.join(${out}, "a\\nb"), ""); fs.writeFileSync(path.join(${out}, "good"), "kept");`,
    Innocent: `context.progress("waits"); await new Promise((resolve) => context.signal.addEventListener("abort", resolve));`,
  };
  await system.publish(tenant, "test.zip", testPackage({ jobs }));
});
afterAll(() => system[Symbol.asyncDispose]());

describe("what a job leaves", { tags: "attack/trees" }, () => {
  it("hostile files end their job once and never interrupt it", async () => {
    await using worker = await system.startWorker({ slots: 3 });
    const once = { retry: { maxAttempts: 1 } };
    const [link = "", removed = "", odd = ""] = await Promise.all(
      ["ReplacedByLink", "Removed", "OddName"].map((jobType) => system.submit(tenant, jobType, once)),
    );
    const history = [{ workerId: worker.workerId, outcome: "failed" }];
    expect(await system.until(link)).toMatchObject({
      ...{ state: "failed", interruptions: 0, artifactCount: 0, history },
      failure: { code: "ArtifactRefused", message: expect.stringContaining("the output folder is a link") as string },
    });
    expect((await system.api.get(`/v1/jobs/${link}/artifacts`)).body.items).toEqual([]);
    expect(await system.until(removed)).toMatchObject({
      ...{ state: "failed", interruptions: 0, history },
      failure: { code: "JobFailed", message: expect.stringMatching(/^no luck .* see its log\.$/) as string },
    });
    expect(await system.until(odd)).toMatchObject({
      ...{ state: "failed", interruptions: 0, artifactCount: 1, history },
      failure: { code: "ArtifactRefused", retryable: false },
    });
    expect((await system.api.get(`/v1/jobs/${odd}/artifacts/good`)).body).toBe("kept");
    expect((await system.api.get(`/v1/jobs/${odd}/log`)).body).toContain(
      String.raw`sys Not kept: "a\u000ab" has a name with control characters.`,
    );
  });
});

describe("a worker whose disk takes no line of its journal", () => {
  it("a worker that cannot write its journal interrupts its jobs with the reason", async () => {
    await using directory = await temporaryDirectory();
    await mkdir(join(directory.path, "claims"));
    await symlink("/dev/full", join(directory.path, "claims", "claims-full.log"));
    await using worker = await system.startWorker({ directory: directory.path, bootId: "full" });
    const jobId = await system.submit(tenant, "Removed", { retry: { initialDelayMs: 0 } });
    const job = await system.until(jobId);
    expect(job.history.map(({ outcome, code }) => `${outcome} ${code}`)).toEqual(
      Array.from({ length: MAX_INTERRUPTIONS + 1 }, () => "interrupted ENOSPC"),
    );
    expect(new Set(job.history.map(({ workerId }) => workerId))).toEqual(new Set([worker.workerId]));
    expect(job.failure).toMatchObject({
      code: "WorkerLost",
      message: expect.stringContaining("The disk of its worker was full (ENOSPC).") as string,
    });
    expect((await system.api.get(`/v1/jobs/${jobId}/log`)).body).toContain(
      "sys Interrupted: The disk of its worker was full (ENOSPC).",
    );
  });
});

describe("a worker in which an error is caught by nobody", () => {
  it("a worker with an uncaught error hands its jobs back and ends", async () => {
    await using directory = await temporaryDirectory();
    await using worker = startWorkerProcess({
      [SETTING.storageConnectionString]: inject("storageConnectionString"),
      [SETTING.serviceBusConnectionString]: system.bus.connectionString,
      [SETTING.workerId]: "breaks",
      [SETTING.workerDirectory]: join(directory.path, "breaks"),
      [SETTING.lockSeconds]: String(system.lockMs / 1_000),
      NODE_OPTIONS: BREAK_ON_SIGUSR2,
    });
    await worker.ready;
    const jobId = await system.submit(tenant, "Innocent");
    await system.until(jobId, ({ progress }) => progress?.text === "waits");
    worker.child.kill("SIGUSR2");
    expect(await worker.exited).toBe(GIVEN_UP);
    expect((await system.api.jobs.get(jobId))?.value).toMatchObject({
      ...{ state: "queued", attempts: 0, interruptions: 1 },
      history: [{ workerId: "breaks", outcome: "interrupted", code: "InternalError" }],
    });
    expect((await system.api.get(`/v1/jobs/${jobId}/log`)).body).toContain(
      "sys Interrupted: An error in the worker was not caught.",
    );
    expect(worker.output()).toContain("uncaught error; handing back all jobs and exiting");
    expect(worker.output()).toContain("injected");
  });
});
