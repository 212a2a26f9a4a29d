import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { createReleaseReader } from "../../../../runtime/azure/index.ts";
import { SETTING } from "../../../../runtime/core/settings/names.ts";
import { RELEASES } from "../../../../runtime/core/deployment/storage-layout.ts";
import { freePorts } from "../../../../runtime/local/ports.ts";
import { startFakeMetadataService, type FakeMetadataService } from "../../../support/machine/fake-metadata-service.ts";
import { startFakeResourceManager, type FakeResourceManager } from "../../../support/machine/fake-resource-manager.ts";
import { temporaryDirectory, type TemporaryDirectory } from "../../../support/temporary-directory.ts";
import { testPackage } from "../../../support/packages/test-package.ts";
import { freshTenant, testStorage } from "../../../support/stores/test-storage.ts";
import { startTestSystem, type TestSystem } from "../../../support/test-system.ts";
import { startWorkerProcess } from "../../../support/processes/worker-process.ts";

const tenant = freshTenant();
const SECONDS = { timeout: 60_000, interval: 50 };
let system: TestSystem;
let metadata: FakeMetadataService;
let arm: FakeResourceManager;
let directory: TemporaryDirectory;
let workers = 0;

const releases = () => testStorage().blobs.getContainerClient(RELEASES.container);
const publish = async (text: string): Promise<void> => {
  await releases().getBlockBlobClient(RELEASES.workerPointer).upload(text, Buffer.byteLength(text));
};
const pointTo = (version: string): Promise<void> =>
  publish(JSON.stringify({ version, blob: `worker/${version}.tgz`, sha256: "0".repeat(64) }));

beforeAll(async () => {
  system = await startTestSystem();
  metadata = await startFakeMetadataService();
  arm = await startFakeResourceManager(metadata.resourceId);
  directory = await temporaryDirectory();
  await releases().createIfNotExists();
  await system.publish(tenant, "test.zip", testPackage({ jobs: { Quick: `return { output: "done" };` } }));
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
  await arm[Symbol.asyncDispose]();
  await metadata[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
});

function startWorker(env: Readonly<Record<string, string>>) {
  const workerId = `vm-worker-${++workers}`;
  return startWorkerProcess({
    [SETTING.storageConnectionString]: inject("storageConnectionString"),
    [SETTING.serviceBusConnectionString]: system.bus.connectionString,
    [SETTING.workerId]: workerId,
    [SETTING.workerDirectory]: join(directory.path, workerId),
    [SETTING.lockSeconds]: String(system.lockMs / 1_000),
    ...env,
  });
}

const healthAt = async (port: unknown): Promise<unknown> =>
  (await fetch(`http://127.0.0.1:${String(port)}/health`)).json();

describe("the worker program on a scale set", () => {
  it("the worker program protects itself, runs a job, and exits with 0 for another release", async () => {
    await pointTo("one");
    await using worker = startWorker({
      [SETTING.version]: "one",
      [SETTING.metadataUrl]: metadata.url,
      [SETTING.resourceManagerUrl]: arm.url,
      [SETTING.identityClientId]: "client-1",
      [SETTING.releaseConnectionString]: inject("storageConnectionString"),
      [SETTING.releasePollSeconds]: "1",
      [SETTING.healthPort]: "0",
    });
    const { healthPort } = await worker.ready;
    expect(await healthAt(healthPort)).toEqual({ ApplicationHealthState: "Healthy" });
    expect(await system.until(await system.submit(tenant, "Quick"))).toMatchObject({ state: "succeeded" });
    expect(arm.protected).toBe(true);
    expect(metadata.tokenQueries.at(-1)).toMatchObject({ client_id: "client-1" });

    await pointTo("two");
    expect(await worker.exited).toBe(0);
    expect(worker.output()).toContain("another release");
  });

  it("the worker program drains for its machine's end and exits with 0 when it is stopped", async () => {
    // There from the start: it asks again only every few seconds.
    const eventId = metadata.schedule("Terminate");
    await using worker = startWorker({
      [SETTING.metadataUrl]: metadata.url,
      [SETTING.resourceManagerUrl]: arm.url,
    });
    await worker.ready;
    await expect.poll(() => metadata.approved, SECONDS).toContain(eventId);
    expect(worker.child.exitCode).toBeNull();
    worker.child.kill("SIGTERM");
    expect(await worker.exited).toBe(0);
    metadata.cancel(eventId);
  });

  it("the worker program answers /health before the metadata service answers", async () => {
    metadata.fail("instance/compute", ...Array.from({ length: 100 }, () => 429));
    const [port = 0] = await freePorts(1);
    await using worker = startWorker({
      [SETTING.metadataUrl]: metadata.url,
      [SETTING.resourceManagerUrl]: arm.url,
      [SETTING.healthPort]: String(port),
    });
    const health = (): Promise<unknown> => healthAt(port).catch(() => undefined);
    await expect.poll(health, SECONDS).toEqual({ ApplicationHealthState: "Healthy" });
    metadata.fail("instance/compute");
    expect(await worker.ready).toMatchObject({ healthPort: port });
  });

  it("the worker program refuses impossible settings in one sentence", async () => {
    await using worker = startWorker({ [SETTING.scaleInProtection]: "required" });
    expect(await worker.exited).toBe(1);
    expect(worker.output().trim()).toBe(
      'JOBYARD_SCALE_IN_PROTECTION is "required", which needs JOBYARD_METADATA_URL: the worker must know its machine.',
    );
  });
});

describe("the release pointer", () => {
  const reader = createReleaseReader({ storage: testStorage() });
  const { signal } = new AbortController();

  it("the release pointer is read as last written, and may be absent", async () => {
    await pointTo("seven");
    expect(await reader.current(signal)).toMatchObject({ version: "seven" });
    await releases().deleteBlob(RELEASES.workerPointer);
    expect(await reader.current(signal)).toBeUndefined();
  });

  it("an invalid release pointer is an error", async () => {
    await publish("{}");
    await expect(reader.current(signal)).rejects.toThrow("lacks version, blob or sha256");
    await publish(" ".repeat(5_000));
    await expect(reader.current(signal)).rejects.toThrow("has 5000 bytes");
  });
});
