/** What a new machine does until its worker takes a job: the real scripts, against fakes of what Azure has around it. */
import { once } from "node:events";
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { beforeEach, describe, expect, inject, it, onTestFinished } from "vitest";
import { buildBundles } from "../../../infra/bundles.ts";
import { SETTING } from "../../../runtime/core/settings/names.ts";
import { startFakeResourceManager } from "../../support/machine/fake-resource-manager.ts";
import { canBecomeOther, OTHER_USER } from "../../support/processes/other-user.ts";
import { MISSING_PROGRAMS, startScratchMachine, type ScratchMachine } from "../../support/machine/scratch-machine.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { startTestSystem } from "../../support/test-system.ts";
import { buildZip } from "../../support/packages/zip-builder.ts";

const needs = MISSING_PROGRAMS.length === 0 ? "" : ` (needs ${MISSING_PROGRAMS.join()})`;

let machine: ScratchMachine;
beforeEach(async () => {
  machine = await startScratchMachine();
  return () => machine[Symbol.asyncDispose]();
});

/** A release whose program tells what it was started as. */
const SAYING = `console.log(JSON.stringify([process.env.JOBYARD_VERSION, process.env.JOBYARD_WORKER_ID, TEXT]));`;
const zipOf = (word: string): Buffer =>
  buildZip([{ name: "worker.mjs", content: SAYING.replace("TEXT", JSON.stringify(word)) }]);

async function whatRuns(): Promise<unknown> {
  const child = machine.startWorker();
  const [said] = await Promise.all([text(child.stdout!), once(child, "exit")]);
  return JSON.parse(said) as unknown;
}
const releasesThere = async (): Promise<readonly string[]> =>
  (await readdir(join(machine.root, "opt/jobyard/releases"))).sort();
const asked = (part: string): number => machine.releases.requests.filter((request) => request.includes(part)).length;

describe.skipIf(MISSING_PROGRAMS.length > 0)(`the bootstrap of a machine${needs}`, () => {
  it("the bootstrap fetches Node and the release once and starts it by version and name", async () => {
    const version = machine.releases.release(zipOf("one"));
    expect(await machine.bootstrap()).toMatchObject({ code: 0 });
    expect(await whatRuns()).toEqual([version, "workers-4", "one"]);
    expect(machine.metadata.tokenQueries).toEqual([
      expect.objectContaining({ resource: "https://storage.azure.com/", client_id: "identity-of-the-pool" }),
    ]);
    const before = machine.releases.requests.length;
    expect(await machine.bootstrap()).toMatchObject({ code: 0 });
    expect(machine.releases.requests.slice(before)).toEqual(["200 /releases/worker/current.json"]);
    expect(await whatRuns()).toEqual([version, "workers-4", "one"]);
  });

  it("the bootstrap waits for its roles, for a pointer that is being replaced, and for unavailable services", async () => {
    machine.metadata.fail("instance/compute", 429, 503);
    machine.metadata.fail("identity/oauth2/token", 500);
    machine.releases.fail("/node", 503);
    machine.releases.fail("current.json", 403, 403, 404, 500);
    machine.releases.fail(".zip", 403);
    machine.releases.release(zipOf("late"));
    const { code, log } = await machine.bootstrap();
    expect(code, log).toBe(0);
    expect(log).toMatch(/the release pointer: status 403, retry in 0 s/);
    expect(await whatRuns()).toContain("late");
  });

  it("the bootstrap gives up when its time is over, and the next run goes on from there", async () => {
    machine.releases.removePointer();
    const { code, log } = await machine.bootstrap({ JOBYARD_PATIENCE_SECONDS: "0" });
    expect(code).toBe(1);
    expect(log).toMatch(/the release pointer: still status 404 after 0 s\n.*no release is installed/);
    machine.releases.release(zipOf("one"));
    machine.releases.fail("current.json", 401);
    expect(await machine.bootstrap()).toMatchObject({ code: 1, log: expect.stringContaining("status 401") as string });
    expect(await machine.bootstrap()).toMatchObject({ code: 0 });
    expect(asked("/node")).toBe(1);
    expect(await whatRuns()).toContain("one");
  });

  it("the bootstrap refuses a wrong checksum of Node or release and keeps what it has", async () => {
    const wrong = "0".repeat(64);
    expect(await machine.bootstrap({ JOBYARD_NODE_SHA256: wrong })).toMatchObject({
      code: 1,
      log: expect.stringContaining(`Node: its checksum is not ${wrong}`) as string,
    });
    machine.releases.release(zipOf("bad"), { sha256: wrong });
    expect(await machine.bootstrap()).toMatchObject({ code: 1 });
    expect(await releasesThere()).toEqual([]);
    const version = machine.releases.release(zipOf("good"));
    expect(await machine.bootstrap()).toMatchObject({ code: 0 });
    machine.releases.release(zipOf("bad"), { sha256: wrong });
    const { code, log } = await machine.bootstrap();
    expect(code, log).toBe(0);
    expect(log).toContain(`continues with release ${version}`);
    expect(await whatRuns()).toEqual([version, "workers-4", "good"]);
  });

  it.each([
    ["no JSON", "<html>"],
    ["a path in the version", JSON.stringify({ version: "../../etc", blob: "b.zip", sha256: "0".repeat(64) })],
    ["a query in the blob", JSON.stringify({ version: "v", blob: "b.zip?sig=1", sha256: "0".repeat(64) })],
    ["a number for a version", JSON.stringify({ version: 7, blob: "b.zip", sha256: "0".repeat(64) })],
    ["no checksum", JSON.stringify({ version: "v", blob: "b.zip" })],
  ])("refuses a pointer with %s", async (_what, pointer) => {
    machine.releases.point(pointer);
    expect(await machine.bootstrap()).toMatchObject({ code: 1 });
    expect(await releasesThere()).toEqual([]);
  });

  it("the bootstrap follows the pointer forward and back and keeps the previous release", async () => {
    const [one, two, three] = [zipOf("one"), zipOf("two"), zipOf("three")];
    const versions: string[] = [];
    for (const zip of [one, two, three]) {
      versions.push(machine.releases.release(zip));
      expect(await machine.bootstrap()).toMatchObject({ code: 0 });
    }
    expect(await whatRuns()).toContain("three");
    expect(await releasesThere()).toEqual(versions.slice(1).sort());
    machine.releases.release(two);
    expect(await machine.bootstrap()).toMatchObject({ code: 0 });
    expect(await whatRuns()).toContain("two");
    expect(machine.releases.requests.filter((request) => request.includes(".zip"))).toHaveLength(3);
    expect(await readlink(join(machine.root, "opt/jobyard/current"))).toMatch(new RegExp(`/${versions[1]!}$`));
  });

  it("the bootstrap leaves its token in no file and no process list", async () => {
    machine.releases.release(zipOf("one"));
    await machine.bootstrap();
    const script = await readFile(join(import.meta.dirname, "../../../infra/cloud-init/bootstrap.sh"), "utf8");
    expect(script).not.toMatch(/curl[^\n|]*(?:--header|-H)\b/);
    const files = await readdir(machine.root, { recursive: true, withFileTypes: true });
    for (const file of files.filter((entry) => entry.isFile())) {
      expect(await readFile(join(file.parentPath, file.name), "utf8")).not.toContain("token-1");
    }
  });
});

it.skipIf(MISSING_PROGRAMS.length > 0)(
  `ends with a worker of the released code that takes a job, as a user of its own where that can be${needs}`,
  async () => {
    const { worker } = await buildBundles();
    const version = machine.releases.release(await readFile(worker.file));
    await using system = await startTestSystem();
    await using arm = await startFakeResourceManager(machine.metadata.resourceId);
    const tenant = freshTenant();
    const zip = testPackage({ jobs: { Who: `return { output: process.getuid() };` } });
    await system.publish(tenant, "who.zip", zip);
    expect(await machine.bootstrap()).toMatchObject({ code: 0 });

    const other = canBecomeOther(process.execPath);
    const child = machine.startWorker({
      [SETTING.storageConnectionString]: inject("storageConnectionString"),
      [SETTING.serviceBusConnectionString]: system.bus.connectionString,
      [SETTING.lockSeconds]: String(system.lockMs / 1_000),
      [SETTING.resourceManagerUrl]: arm.url,
      [SETTING.healthPort]: "0",
      ...(other && { [SETTING.jobUser]: OTHER_USER }),
    });
    onTestFinished(async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await gone;
    });
    const gone = once(child, "exit");
    child.stdout?.resume();
    await once(child, "message");
    const job = await system.until(await system.submit(tenant, "Who", { jobProcessorPackageName: "who.zip" }));
    expect(job).toMatchObject({ state: "succeeded", output: String(other ? 65_534 : process.getuid?.()) });
    child.kill("SIGTERM");
    expect(await gone).toEqual([0, null]);
    expect(version).toMatch(/^[0-9a-f]{12}$/);
  },
);
