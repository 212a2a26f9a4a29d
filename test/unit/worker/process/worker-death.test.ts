import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createJobProcesses } from "../../../../runtime/worker/process/job-processes.ts";
import { MARK_VARIABLE } from "../../../../runtime/worker/process/os/process-tree.ts";
import { FOREVER, HOST_ENTRY, isAlive, jobSource, markedProcesses, ownerOf } from "./lab.ts";
import { hasProgram } from "../../../support/processes/has-program.ts";
import { eventually } from "../../../support/eventually.ts";

const WORKER = fileURLToPath(new URL("doomed-worker.ts", import.meta.url));

let root: string;
let packagePath: string;
beforeEach(async () => {
  root = join(tmpdir(), `jobyard-doomed-${process.pid}-${performance.now()}`);
  packagePath = join(root, "package");
  await mkdir(packagePath, { recursive: true });
});
afterEach(async () => {
  await eventually(() => expect(markedProcesses(root)).toEqual([]));
  await rm(root, { recursive: true });
});

/** A worker in a process of its own, whose job has printed the text. */
async function workerWith(body: string, printed: string, spares = 0): Promise<ChildProcess> {
  await writeFile(join(packagePath, "index.mjs"), jobSource(body));
  const worker = spawn(process.execPath, [WORKER, root, packagePath, HOST_ENTRY, String(spares)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  for await (const chunk of worker.stdout) {
    text += String(chunk);
    if (text.includes(printed)) break;
  }
  expect(text).toContain(printed);
  return worker;
}

async function kill(worker: ChildProcess): Promise<void> {
  worker.kill("SIGKILL");
  await once(worker, "exit");
}

/** Whether this machine can tie a process to the one that starts it, as the worker does where it can. */
const canTie = process.platform === "linux" && hasProgram("setpriv", "--pdeathsig", "KILL", "true");

describe("when a worker is killed", () => {
  it.skipIf(!canTie)("a job that spins dies with its worker (needs setpriv)", async () => {
    const worker = await workerWith(`console.log("spinning"); for (;;);`, "spinning");
    expect(markedProcesses(root)).toHaveLength(1);
    await kill(worker);
    await eventually(() => expect(markedProcesses(root)).toEqual([]), { interval: 2 });
  });

  it.skipIf(!canTie)("spares and processes of a job die with the worker (needs setpriv)", async () => {
    const body = `
      const start = (options) => spawn("sleep", ["600"], { stdio: "ignore", ...options }).unref();
      start({}); start({ detached: true }); log("waiting"); ${FOREVER}`;
    const worker = await workerWith(body, "waiting", 2);
    await eventually(() => expect(markedProcesses(root)).toHaveLength(5));
    await kill(worker);
    await eventually(() => expect(markedProcesses(root)).toEqual([]));
  });
});

describe("a sweep", () => {
  it("a sweep ends what an earlier worker with this directory left, and nothing else", async () => {
    const left = (mark: string): number =>
      spawn("sleep", ["600"], { stdio: "ignore", detached: true, env: { ...process.env, [MARK_VARIABLE]: mark } }).pid!;
    const mine = left(`${ownerOf(root)}.earlier.1`);
    const others = left(`${ownerOf("/elsewhere")}.earlier.1`);
    const environment = { PATH: process.env["PATH"] ?? "" };
    const next = createJobProcesses({ root, hostEntry: HOST_ENTRY, spares: 1, environment });
    await eventually(() => expect(markedProcesses(root)).toHaveLength(2));
    await next.sweep();
    expect([isAlive(mine), isAlive(others)]).toEqual([false, true]);
    expect(markedProcesses(root)).toHaveLength(1);
    process.kill(others, "SIGKILL");
    await next.close();
  });
});
