import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JobServiceClient, type BatchView } from "../../../runtime/client/index.ts";
import { startHttpFaultProxy } from "../../support/network/fault-proxy.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestApi } from "../../support/api/test-api.ts";
import { startTestSystem, type TestSystem } from "../../support/test-system.ts";

let system: TestSystem;
const tenant = freshTenant();
beforeAll(async () => {
  system = await startTestSystem();
  const jobs = {
    Quick: "return { output: job.parameters };",
    Fail: 'throw nonRetryable("no good");',
    Report:
      'fs.writeFileSync(path.join(context.outputPath, "r.txt"), "x".repeat(300_000)); context.log("grüß"); context.log("dich");',
    Gate: "for (;;) { if (fs.existsSync(job.parameters)) break; await new Promise((r) => setTimeout(r, 20)); }",
  };
  await system.publish(tenant, "test.zip", testPackage({ jobs }));
  await system.startWorker({ slots: 2 });
});
afterAll(() => system[Symbol.asyncDispose]());

const QUICK = { retry: { firstDelayMs: 5, maxDelayMs: 50, maxAttempts: 3 } };
const requestOf = (jobType: string, parameters?: unknown) => ({
  tenantName: tenant,
  jobType,
  jobName: jobType,
  jobProcessorPackageName: "test.zip",
  parameters,
});

describe("waitForJob", () => {
  it("resolves to the ended job, succeeded or failed", async () => {
    const client = new JobServiceClient(system.api.url, QUICK);
    const good = await client.management.submitJob(requestOf("Quick", { n: 1 }));
    const bad = await client.management.submitJob(requestOf("Fail"));
    const [one, other] = await Promise.all([client.waitForJob(good), client.waitForJob(bad)]);
    expect(one).toMatchObject({ state: "succeeded", output: { n: 1 } });
    expect(other).toMatchObject({ state: "failed", failure: { message: "no good", retryable: false } });
  });

  it("stops after its timeout, without blaming the job", async () => {
    const client = new JobServiceClient(system.api.url, QUICK);
    const jobId = await client.management.submitJob({ ...requestOf("Quick"), delayMs: 3_600_000 });
    await expect(client.waitForJob(jobId, { timeoutMs: 60 })).rejects.toMatchObject({ code: "TimedOut" });
    const reason = new Error("enough");
    await expect(client.waitForJob(jobId, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await expect(client.waitForJob("acme.nothing.00.x")).rejects.toMatchObject({ code: "JobNotFound" });
  });

  it("waits through an outage longer than all tries, and through a new API process", async () => {
    await using proxy = await startHttpFaultProxy(system.api.url);
    const first = await startTestApi(system.queue(), { stores: system.api.stores });
    proxy.target = first.url;
    const client = new JobServiceClient(proxy.url, QUICK);
    await using directory = await temporaryDirectory();
    const gate = join(directory.path, "gate");
    const batchId = await client.management.createBatch({ tenantName: tenant, batchName: "Outage" });
    const ids: string[] = [];
    for (let i = 0; i < 10; i++)
      ids.push(await client.management.submitJob(requestOf(i === 0 ? "Gate" : "Quick", gate), batchId));
    const looks: BatchView[] = [];
    const ends = Promise.all(ids.map((id) => client.waitForJob(id)));
    const whole = client.waitForBatch(batchId, { onLook: (batch) => looks.push(batch) });
    await system.until(ids[0]!, ({ state }) => state === "running");
    await first[Symbol.asyncDispose]();
    proxy.requests.length = 0;
    await expect.poll(() => proxy.requests.length, { timeout: 120_000 }).toBeGreaterThan(60);
    await writeFile(gate, "");
    await using second = await startTestApi(system.queue(), { stores: system.api.stores });
    proxy.target = second.url;
    expect((await ends).map(({ state }) => state)).toEqual(ids.map(() => "succeeded"));
    expect((await whole).counts).toMatchObject({ succeeded: 10, total: 10 });
    expect(looks.length).toBeGreaterThan(0);
  });
});

describe("artifacts and logs of a job", () => {
  it("are read completely: artifacts as streams, logs across broken connections", async () => {
    await using proxy = await startHttpFaultProxy(system.api.url);
    const client = new JobServiceClient(proxy.url, QUICK);
    const jobId = await client.management.submitJob(requestOf("Report"));
    let isCut = false;
    proxy.decide = ({ path }) => {
      if (!path.includes("follow=true") || isCut) return "pass";
      isCut = true;
      return "half";
    };
    let log = "";
    for await (const text of client.monitoring.followLog(jobId)) log += text;
    expect(isCut).toBe(true);
    expect(log).toBe(await client.monitoring.getLog(jobId));
    expect(log).toMatch(/grüß\n.*dich\n/);
    const { stream, bytes } = await client.monitoring.openArtifact(jobId, "r.txt");
    expect(bytes).toBe(300_000);
    expect(await new Response(stream).text()).toBe("x".repeat(300_000));
    expect(await client.monitoring.getArtifacts(jobId)).toEqual([{ path: "r.txt", bytes: 300_000 }]);
  });
});

describe("packages", () => {
  it("are published with progress, listed, and deleted once", async () => {
    await using proxy = await startHttpFaultProxy(system.api.url);
    const client = new JobServiceClient(proxy.url, QUICK);
    const mine = freshTenant();
    const noise = Array.from({ length: 200_000 }, (_, i) => Math.trunc(1e6 * Math.sin(i)).toString(36)).join("");
    const zip = new Uint8Array(testPackage({ jobs: { A: "" }, files: [{ name: "noise.txt", content: noise }] }));
    const seen: number[] = [];
    proxy.decide = () => (proxy.requests.length === 0 ? "lose" : "pass");
    const published = await client.management.publishPackage(mine, "a.zip", zip, {
      onProgress: ({ sentBytes, totalBytes }) => seen.push(sentBytes / totalBytes),
    });
    expect(published).toMatchObject({ packageName: "a.zip", bytes: zip.byteLength, jobTypes: ["A"] });
    expect(seen.length).toBeGreaterThan(4);
    expect(seen[0]).toBe(0);
    expect(seen.at(-1)).toBe(1);
    for await (const one of client.monitoring.getPackages(mine)) expect(one.packageName).toBe("a.zip");
    expect((await client.monitoring.getPackage(mine, "a.zip")).sha256).toBe(published.sha256);
    proxy.requests.length = 0;
    await client.management.deletePackage(mine, "a.zip");
    await expect(client.management.deletePackage(mine, "a.zip")).rejects.toMatchObject({ code: "PackageNotFound" });
  });
});
