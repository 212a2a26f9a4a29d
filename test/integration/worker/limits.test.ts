import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { createAzureStores } from "../../support/stores/azure-stores.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem } from "../../support/test-system.ts";

const MAX = 2;
const RATE_SECONDS = 5;
const tenant = freshTenant();
let system: TestSystem;
let folder: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeAll(async () => {
  system = await startTestSystem();
  folder = await temporaryDirectory();
  const zip = testPackage({
    isolation: "reuse",
    jobs: {
      Limited: `
        const { file, ms, gate = file } = job.parameters;
        fs.appendFileSync(file, "+" + job.jobId + " " + job.claimId + "\\n");
        do await new Promise((resolve) => setTimeout(resolve, ms)); while (!fs.existsSync(gate));
        fs.appendFileSync(file, "-" + job.jobId + " " + job.claimId + "\\n");`,
      Free: `
        const { file, ms, gate } = job.parameters;
        fs.appendFileSync(file, "+" + job.jobId + "\\n");
        do await new Promise((resolve) => setTimeout(resolve, ms)); while (!fs.existsSync(gate));
        fs.appendFileSync(file, "-" + job.jobId + "\\n");`,
      Rated: `return { output: Date.now() };`,
    },
    limits: {
      Limited: { concurrency: { key: "parameters.customer", max: MAX } },
      Rated: { rate: { max: 2, perSeconds: RATE_SECONDS } },
    },
  });
  const sha256 = createHash("sha256").update(zip).digest("hex");
  const facts = { sha256, uploadedBy: "tester", jobTypes: ["Limited", "Free", "Rated"], limitedCount: 2 };
  await createAzureStores().packages.upload(tenant, "test.zip", zip, facts);
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const linesOf = async (file: string) => (await readFile(file, "utf8")).trim().split("\n");

describe("jobs with a limit", () => {
  it("never run more than may, over several workers and the loss of one, and all end", async () => {
    const file = join(folder.path, "limited.txt");
    const workers = await Promise.all([1, 2, 3].map(() => system.startWorker({ slots: 4 })));
    const parameters = { file, ms: 40, customer: "c-1" };
    const jobIds: string[] = [];
    for (let n = 0; n < 16; n++) jobIds.push(await system.submit(tenant, "Limited", { parameters }));
    const [first] = workers;
    await system.until(jobIds[3]!);
    // Its jobs are handed back, and go on elsewhere.
    await first!.drain(0);
    const jobs = await Promise.all(jobIds.map((jobId) => system.until(jobId)));
    expect(jobs.map(({ state }) => state)).toEqual(jobIds.map(() => "succeeded"));
    expect(jobs[0]).toMatchObject({ concurrencyKey: "c-1" });
    // A job that was interrupted has begun and never ended: what counts is its row, which the next start follows.
    const running = new Set<string>();
    let most = 0;
    for (const line of await linesOf(file)) {
      const [jobId = ""] = line.slice(1).split(" ");
      if (line.startsWith("+")) running.add(jobId);
      else running.delete(jobId);
      const lost = jobs.filter((job) => job.interruptions > 0 && running.has(job.jobId)).length;
      most = Math.max(most, running.size - lost);
    }
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(MAX);
    const bodies = await Promise.all(jobIds.map((jobId) => system.api.get(`/v1/jobs/${jobId}`)));
    expect(bodies.every(({ body }) => (body as { waitsFor?: unknown }).waitsFor === undefined)).toBe(true);
    for (const worker of workers) await worker[Symbol.asyncDispose]();
  });

  it("of a tenant with a quota never run more than may at once, whatever type they are, and say what they wait for", async () => {
    const file = join(folder.path, "quota.txt");
    const gate = join(folder.path, "gate");
    await system.api.put(`/v1/tenants/${tenant}`);
    const quotas = await system.api.put(`/v1/tenants/${tenant}/quotas`, { runningAtOnce: 2 });
    expect([quotas.status, quotas.body]).toEqual([200, { tenantName: tenant, runningAtOnce: { limit: 2, used: 0 } }]);
    const workers = await Promise.all([1, 2].map(() => system.startWorker({ slots: 4 })));
    const jobIds: string[] = [];
    for (let n = 0; n < 10; n++) {
      const jobType = n % 2 === 0 ? "Limited" : "Free";
      const parameters = { file, ms: 100, gate, customer: `c-${n}` };
      jobIds.push(await system.submit(tenant, jobType, { parameters }));
    }
    const waits = async (): Promise<unknown> => (await system.api.get(`/v1/jobs/${jobIds.at(-1)}`)).body.waitsFor;
    await eventually(async () => expect(await waits()).toBe(`quota: 2 jobs of ${tenant} running at once`));
    await writeFile(gate, "");
    const jobs = await Promise.all(jobIds.map((jobId) => system.until(jobId)));
    expect(jobs.map(({ state }) => state)).toEqual(jobIds.map(() => "succeeded"));
    let running = 0;
    let most = 0;
    for (const line of await linesOf(file)) most = Math.max(most, (running += line.startsWith("+") ? 1 : -1));
    expect(most).toBe(2);
    await system.api.put(`/v1/tenants/${tenant}/quotas`, {});
    for (const worker of workers) await worker[Symbol.asyncDispose]();
  });

  it("start no more often than their rate allows", async () => {
    await using worker = await system.startWorker({ slots: 8 });
    expect(worker.runningCount).toBe(0);
    const jobIds = await Promise.all(Array.from({ length: 5 }, () => system.submit(tenant, "Rated")));
    const jobs = await Promise.all(jobIds.map((jobId) => system.until(jobId)));
    const starts = jobs.map(({ startedAt }) => startedAt!.getTime()).toSorted((a, b) => a - b);
    // Starts differ from their times by as much as deliveries do: on a busy machine by seconds.
    expect(starts[2]! - starts[0]!).toBeGreaterThan(RATE_SECONDS * 400);
    expect(starts[4]! - starts[0]!).toBeGreaterThan(RATE_SECONDS * 1_400);
  });

  it("refuse a key where the package declares no limit", async () => {
    const request = { tenantName: tenant, jobType: "Rated", jobName: "r", jobProcessorPackageName: "test.zip" };
    const { status, body } = await system.api.post("/v1/jobs", { ...request, concurrencyKey: "k" });
    expect(status).toBe(400);
    expect(JSON.stringify(body)).toContain("declares no limits.concurrency");
  });
});
