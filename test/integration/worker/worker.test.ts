import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectServiceBus } from "../../../runtime/azure/index.ts";
import { jobQueueName, DEFAULT_POOL } from "../../../runtime/core/deployment/topology.ts";
import { eventually } from "../../support/eventually.ts";
import { buildZip } from "../../support/packages/zip-builder.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem, type TestWorker } from "../../support/test-system.ts";

const tenant = freshTenant();
let system: TestSystem;
let worker: TestWorker;

beforeAll(async () => {
  system = await startTestSystem();
  await system.publish(
    tenant,
    "test.zip",
    testPackage({
      jobs: {
        Sum: `
          context.progress(0.5, "half way");
          fs.writeFileSync(path.join(context.outputPath, "sum.txt"), String(job.parameters.a + job.parameters.b));
          console.log("added", job.parameters.a, job.parameters.b);
          return { output: { sum: job.parameters.a + job.parameters.b } };`,
        FailTwice: `if (job.attempt < 3) throw new Error("attempt " + job.attempt); return { output: job.attempt };`,
        AlwaysFails: `throw new Error("no luck");`,
        Hopeless: `throw nonRetryable("cannot be mended");`,
        Hangs: `await new Promise((_, reject) => context.signal.addEventListener("abort", reject));`,
        Where: `return { output: { package: context.packagePath, working: context.workingPath } };`,
      },
    }),
  );
  worker = await system.startWorker({ slots: 2 });
});
afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

const quickRetry = { initialDelayMs: 50, jitter: 0 };

describe("a worker", () => {
  it("a worker runs a job and records output, artifact, log and history", async () => {
    const jobId = await system.submit(tenant, "Sum", { parameters: { a: 2, b: 3 } });
    const job = await system.until(jobId);
    expect(job).toMatchObject({
      state: "succeeded",
      output: '{"sum":5}',
      artifactCount: 1,
      attempts: 0,
      interruptions: 0,
      progress: { fraction: 0.5, text: "half way" },
      history: [{ execution: 1, attempt: 1, workerId: worker.workerId, outcome: "succeeded" }],
    });
    expect(job.packageHash).toMatch(/^[0-9a-f]{64}$/);
    expect((await system.api.get(`/v1/jobs/${jobId}/artifacts/sum.txt`)).body).toBe("5");
    expect((await system.api.get(`/v1/jobs/${jobId}/log`)).body).toContain("added 2 3");
  });

  it("a worker retries a failing job after its backoff and counts the attempts", async () => {
    const jobId = await system.submit(tenant, "FailTwice", { retry: quickRetry });
    expect(await system.until(jobId)).toMatchObject({
      state: "succeeded",
      output: "3",
      attempts: 2,
      ring: 3,
      failure: undefined,
      history: [
        { attempt: 1, outcome: "failed", code: "JobFailed" },
        { attempt: 2, outcome: "failed", code: "JobFailed" },
        { attempt: 3, outcome: "succeeded" },
      ],
    });
  });

  it("an exhausted job fails with its reason in row and dead letter", async () => {
    const jobId = await system.submit(tenant, "AlwaysFails", { retry: { ...quickRetry, maxAttempts: 2 } });
    expect(await system.until(jobId)).toMatchObject({
      state: "failed",
      attempts: 2,
      failure: { code: "JobFailed", message: "no luck", attempt: 2, retryable: true },
    });
    // The message follows the row.
    const letter = { deadLetterReason: "JobFailed", deadLetterErrorDescription: "no luck" };
    await eventually(async () => expect(await deadLetterOf(jobId)).toMatchObject(letter));
  });

  it("a non-retryable error fails the job at once", async () => {
    const jobId = await system.submit(tenant, "Hopeless", { retry: quickRetry });
    const job = await system.until(jobId);
    expect(job).toMatchObject({ state: "failed", attempts: 1, failure: { retryable: false } });
  });

  it("a job is stopped at its time limit, and the failure names the limit", async () => {
    const jobId = await system.submit(tenant, "Hangs", { timeoutMs: 1_000, retry: { maxAttempts: 1 } });
    const job = await system.until(jobId);
    expect(job).toMatchObject({
      state: "failed",
      failure: { code: "JobTimedOut", message: expect.stringMatching(/1 (s|000 ms)/) as unknown },
    });
  });

  it("a job that outlasts its lock more than once runs once", async () => {
    await using small = await startTestSystem({ lockMs: 8_000 });
    const own = freshTenant();
    const body = `await new Promise((resolve) => setTimeout(resolve, 20_000)); return { output: job.interruption };`;
    await small.publish(own, "test.zip", testPackage({ jobs: { Long: body } }));
    await using first = await small.startWorker();
    await using second = await small.startWorker();
    const jobId = await small.submit(own, "Long");
    const job = await small.until(jobId);
    expect(job).toMatchObject({ state: "succeeded", executions: 1, output: "0" });
    expect([first.workerId, second.workerId]).toContain(job.history[0]!.workerId);
  });

  it("a draining worker hands its jobs back without using an attempt", async () => {
    const own = freshTenant();
    await using other = await startTestSystem();
    await other.publish(
      own,
      "test.zip",
      testPackage({
        jobs: {
          Interrupted: `
            if (job.interruption > 0) return { output: { attempt: job.attempt, interruption: job.interruption } };
            await new Promise((_, reject) => context.signal.addEventListener("abort", reject));`,
        },
      }),
    );
    await using first = await other.startWorker();
    const jobId = await other.submit(own, "Interrupted");
    await other.until(jobId, ({ state }) => state === "running");
    const draining = first.drain(100);
    await using second = await other.startWorker();
    await draining;
    expect(await other.until(jobId)).toMatchObject({
      state: "succeeded",
      attempts: 0,
      interruptions: 1,
      output: '{"attempt":1,"interruption":1}',
      history: [
        { workerId: first.workerId, outcome: "interrupted" },
        { workerId: second.workerId, outcome: "succeeded" },
      ],
    });
  });

  it("a new upload is used by the very next run", async () => {
    const own = freshTenant();
    const version = (answer: string) => testPackage({ jobs: { Version: `return { output: "${answer}" };` } });
    await system.publish(own, "test.zip", version("one"));
    const first = await system.until(await system.submit(own, "Version"));
    await system.publish(own, "test.zip", version("two"));
    const second = await system.until(await system.submit(own, "Version"));
    expect([first.output, second.output]).toEqual(['"one"', '"two"']);
    expect(first.packageHash).not.toBe(second.packageHash);
  });

  it("each run has directories of its own, which are removed afterwards", async () => {
    const jobs = await Promise.all([1, 2].map(async () => system.until(await system.submit(tenant, "Where"))));
    const places = jobs.flatMap(({ output }) => Object.values(JSON.parse(output!) as Record<string, string>));
    expect(new Set(places).size).toBe(4);
    const { existsSync } = await import("node:fs");
    await expect.poll(() => places.filter((place) => existsSync(place))).toEqual([]);
  });
});

describe("a job that cannot start fails at once, with a code that says why, and the next one runs", () => {
  const own = freshTenant();
  const manifest = (fields: object) =>
    JSON.stringify({
      manifestVersion: 1,
      name: "p",
      platform: "any",
      jobs: [{ jobType: "Sum", entry: { kind: "module", file: "main.mjs" } }],
      ...fields,
    });

  it.each<[string, string, Buffer | undefined]>([
    ["a missing package", "PackageNotFound", undefined],
    ["a file that is no ZIP", "PackageCorrupt", Buffer.from("not a zip")],
    ["a damaged ZIP", "PackageCorrupt", damaged(testPackage({ jobs: { Sum: "return {};" } }))],
    ["a ZIP that leaves its folder", "PackageUnsafe", buildZip([{ name: "../evil.mjs", content: "x" }])],
    ["a ZIP without a manifest", "ManifestMissing", buildZip([{ name: "main.mjs", content: "" }])],
    ["a manifest that is wrong", "ManifestInvalid", buildZip([{ name: "job.json", content: "{}" }])],
    ["an unknown job type", "JobTypeUnknown", testPackage({ jobs: { Other: "return {};" } })],
    [
      "code that does not load",
      "EntryPointInvalid",
      buildZip([
        { name: "job.json", content: manifest({}) },
        { name: "main.mjs", content: "this is no javascript" },
      ]),
    ],
    [
      "another platform",
      "PlatformMismatch",
      buildZip([
        { name: "job.json", content: manifest({ platform: { os: "win32", arch: "arm64" } }) },
        { name: "main.mjs", content: "" },
      ]),
    ],
  ])("%s: %s", async (_what, code, zip) => {
    const fileName = `${code.toLowerCase()}.zip`;
    if (zip !== undefined) await system.publish(own, fileName, zip);
    const jobId = await system.submit(own, "Sum", { jobProcessorPackageName: fileName, publishLater: true });
    const job = await system.until(jobId);
    expect(job).toMatchObject({ state: "failed", attempts: 1, executions: 1, failure: { code, retryable: false } });
    const next = await system.submit(tenant, "Sum", { parameters: { a: 1, b: 1 } });
    expect((await system.until(next)).state).toBe("succeeded");
  });

  it("a job cannot use another tenant's package", async () => {
    const jobId = await system.submit(freshTenant(), "Sum", { publishLater: true });
    expect(await system.until(jobId)).toMatchObject({ state: "failed", failure: { code: "PackageNotFound" } });
  });
});

/** The same archive with its data overwritten. */
function damaged(zip: Buffer): Buffer {
  const copy = Buffer.from(zip);
  copy.fill(0x55, 60, 90);
  return copy;
}

/** The dead letter of a job. */
async function deadLetterOf(jobId: string) {
  const client = connectServiceBus({ kind: "connection-string", serviceBus: system.bus.connectionString });
  try {
    const receiver = client.createReceiver(jobQueueName(DEFAULT_POOL, "normal"), { subQueueType: "deadLetter" });
    const letters = await receiver.peekMessages(100, {});
    return letters.find(({ body }) => (body as { jobId?: string }).jobId === jobId);
  } finally {
    await client.close();
  }
}
