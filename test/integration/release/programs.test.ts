/** The released programs, as a machine gets them: alone in a folder, with Node and nothing else. */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { buildBundles } from "../../../infra/bundles.ts";
import type { Program } from "../../../infra/program-files.ts";
import { JobServiceClient } from "../../../runtime/client/index.ts";
import { SETTING } from "../../../runtime/core/settings/names.ts";
import { busTopology, DEFAULT_POOL } from "../../../runtime/core/deployment/topology.ts";
import { startBusProcess } from "../../../runtime/local/bus/test/support/bus-process.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { freshTenant, ownStorage } from "../../support/stores/test-storage.ts";
import { sourcePackage } from "../../support/packages/source-package.ts";
import { unzip } from "../../support/packages/unzip.ts";

const GREET = `
  import { defineJob } from "jobyard/job";
  export default defineJob({
    jobType: "Greet",
    run: (job) => ({ output: "Hello, " + (job.parameters as { name: string }).name }),
  });`;

it("a release runs a job of its own package with nothing but its own files", async () => {
  const folder = await temporaryDirectory();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const bus = await startBusProcess(busTopology([DEFAULT_POOL]));
  onTestFinished(() => bus[Symbol.asyncDispose]());
  const connections = {
    [SETTING.storageConnectionString]: await ownStorage("releaseprograms"),
    [SETTING.serviceBusConnectionString]: bus.connectionString,
  };
  const tenantName = freshTenant();
  await using packages = await sourcePackage({
    "greet/package.json": JSON.stringify({ name: "greet", version: "1.0.0", type: "module", exports: "./greet.ts" }),
    "greet/greet.ts": GREET,
  });
  const bundles = await buildBundles([packages.path]);

  const start = async (program: Program, settings: Record<string, string>): Promise<Record<string, unknown>> => {
    const directory = join(folder.path, program);
    for (const [path, content] of await unzip(bundles[program].file)) {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), content);
    }
    const child = fork(join(directory, `${program}.mjs`), {
      cwd: directory,
      env: { PATH: process.env["PATH"], [SETTING.logLevel]: "warn", ...connections, ...settings },
      execArgv: [],
    });
    onTestFinished(() => stop(child));
    const [ready] = (await once(child, "message")) as [Record<string, unknown>];
    return ready;
  };
  const [api] = await Promise.all([
    start("api", {
      ...{ [SETTING.apiPort]: "0", [SETTING.auth]: "none", [SETTING.instanceId]: `api-${tenantName}` },
      [SETTING.packagesTenant]: tenantName,
    }),
    start("worker", {
      ...{ [SETTING.workerId]: `w-${tenantName}`, [SETTING.workerDirectory]: join(folder.path, "data") },
      // Its job has ended before it is told to stop.
      [SETTING.drainSeconds]: "5",
    }),
  ]);

  const client = new JobServiceClient(`http://127.0.0.1:${String(api["port"])}`);
  const job = { tenantName, jobType: "Greet", jobName: "one", jobProcessorPackageName: "greet.zip" };
  // At once: until the package is published the client is asked to come again.
  const jobId = await client.management.submitJob({ ...job, parameters: { name: "release" } });
  const published = await client.monitoring.getPackage(tenantName, "greet.zip");
  expect(published).toMatchObject({ uploadedBy: "release", jobTypes: ["Greet"] });
  expect(await client.waitForJob(jobId)).toMatchObject({ state: "succeeded", output: "Hello, release" });
});

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  await gone;
}
