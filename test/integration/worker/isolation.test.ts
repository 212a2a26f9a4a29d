import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem, type TestWorker } from "../../support/test-system.ts";
import { buildZip } from "../../support/packages/zip-builder.ts";

const tenant = freshTenant();
let system: TestSystem;
let worker: TestWorker;

/** Bodies of `run(job, context)`, and what the manifest says of each. */
const JOBS: Record<string, { readonly body: string; readonly options: object }> = {
  Where: {
    body: `console.log("from", job.jobId); return { output: [process.pid, context.packagePath, ++runs] };`,
    options: { isolation: "reuse" },
  },
  Wait: {
    body: `if (job.interruption > 0) return { output: job.interruption };
      context.progress("in"); await new Promise((_, reject) => context.signal.addEventListener("abort", reject));`,
    options: { isolation: "reuse" },
  },
  Exit: { body: `process.exit(3);`, options: { isolation: "reuse" } },
  Hog: { body: `globalThis.kept = Buffer.alloc(200 << 20, 1); await forever();`, options: { memoryMb: 128 } },
  Silent: {
    body: `await new Promise((_, reject) => context.signal.addEventListener("abort", reject));`,
    options: { idleTimeoutMs: 1_000 },
  },
};

function packageOf(jobs: typeof JOBS): Buffer {
  const manifest = {
    manifestVersion: 1,
    name: "test-package",
    platform: "any",
    jobs: Object.entries(jobs).map(([jobType, { options }]) => ({
      jobType,
      entry: { kind: "module", file: "main.mjs", export: jobType },
      ...options,
    })),
  };
  const head = `let runs = 0; const forever = () => new Promise((resolve) => setTimeout(resolve, 1e6));
    const declare = (jobType, run) => Object.defineProperty({ jobType, run }, Symbol.for("jobyard.job"), { value: 1 });`;
  const source = Object.entries(jobs).map(
    ([jobType, { body }]) => `export const ${jobType} = declare("${jobType}", async (job, context) => { ${body} });`,
  );
  return buildZip([
    { name: "job.json", content: JSON.stringify(manifest) },
    { name: "main.mjs", content: [head, ...source].join("\n") },
  ]);
}

beforeAll(async () => {
  system = await startTestSystem();
  await system.publish(tenant, "test.zip", packageOf(JOBS));
  worker = await system.startWorker({ slots: 2 });
});
afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

const once = { retry: { maxAttempts: 1, initialDelayMs: 50, jitter: 0 } };

describe("jobs of isolation reuse", () => {
  it('jobs of isolation "reuse" share a process and have logs of their own', async () => {
    const outputs: unknown[] = [];
    const logs: string[] = [];
    for (let n = 0; n < 2; n++) {
      const jobId = await system.submit(tenant, "Where");
      const { output } = await system.until(jobId);
      outputs.push(JSON.parse(output ?? ""));
      const { body: log }: { body: unknown } = await system.api.get(`/v1/jobs/${jobId}/log`);
      logs.push((log as string).replace(jobId, "itself"));
    }
    const [first, second] = outputs as [number, string, number][];
    expect(second).toEqual([first![0], first![1], first![2] + 1]);
    expect(logs.map((text) => text.slice(25))).toEqual(["out from itself\n", "out from itself\n"]);
  });

  it("jobs are interrupted when another job ends their process", async () => {
    const waiting = await system.submit(tenant, "Wait", once);
    await system.until(waiting, ({ progress }) => progress?.text === "in");
    const culprit = await system.submit(tenant, "Exit", once);
    expect(await system.until(culprit)).toMatchObject({
      state: "failed",
      failure: { code: "JobCrashed", message: expect.stringContaining("exit code 3") as unknown },
    });
    expect(await system.until(waiting)).toMatchObject({
      state: "succeeded",
      attempts: 0,
      interruptions: 1,
      output: "1",
    });
  });
});

describe("limits a package declares", () => {
  it.each([
    ["memory", "Hog", "JobOutOfMemory", "its limit is 128 MiB"],
    ["silence", "Silent", "JobTimedOut", "its idle limit of 1 s"],
  ])("hold for %s", async (_, jobType, code, message) => {
    const job = await system.until(await system.submit(tenant, jobType, once));
    expect(job).toMatchObject({
      state: "failed",
      failure: { code, message: expect.stringContaining(message) as unknown, retryable: true },
    });
  });
});
