/** Programs whose folder another process uses. Each runs as usual. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { access, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { SETTING } from "../../../runtime/core/settings/names.ts";
import { freePorts } from "../../../runtime/local/ports.ts";
import { ownFolder } from "../../../runtime/platform/own-folder.ts";
import { eventually } from "../../support/eventually.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const LAUNCHER = join(import.meta.dirname, "../../../runtime/main/start.mjs");

/** Disposing kills it. */
function started(args: readonly string[], env: Record<string, string> = {}) {
  const child = fork(LAUNCHER, args, {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  let ready = false;
  child.once("message", () => (ready = true));
  const gone = once(child, "exit");
  return {
    child,
    said: () => said,
    isReady: () => ready,
    gone,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await gone;
    },
  };
}

/** The program's arguments and settings for this folder. */
const PROGRAMS: Record<string, (directory: string) => Promise<[string[], Record<string, string>?]>> = {
  async storage(directory) {
    const [blobs, tables] = await freePorts(2);
    return [["storage", "--directory", directory, "--blob-port", String(blobs), "--table-port", String(tables)]];
  },
  bus: (directory) => Promise.resolve([["bus", "--data-dir", directory, "--port", "0", "--admin-port", "0"]]),
  identity: (directory) => Promise.resolve([["identity", "--directory", directory, "--port", "0"]]),
};

const waitsFor = new RegExp(`Waiting for process ${process.pid}, since \\d{4}-\\d\\d-\\d\\d`);

describe("a program whose folder another process uses", () => {
  it.each(Object.keys(PROGRAMS))("%s names the other process, waits, and starts when it has ended", async (name) => {
    await using folder = await temporaryDirectory();
    const owner = await ownFolder({ directory: folder.path });
    await using program = started(...(await PROGRAMS[name]!(folder.path)));
    await eventually(() => expect(program.said()).toMatch(waitsFor));
    expect(program.isReady()).toBe(false);
    owner.release();
    await eventually(() => expect(program.isReady(), program.said()).toBe(true));
  });

  it("a worker names the other process, and changes nothing in the folder", async () => {
    await using folder = await temporaryDirectory();
    const { release } = await ownFolder({ directory: folder.path });
    const work = join(folder.path, "attempts", "running", "work");
    await mkdir(dirname(work), { recursive: true });
    await writeFile(work, "");
    await using worker = started(["worker"], {
      [SETTING.workerId]: "worker-1",
      [SETTING.workerDirectory]: folder.path,
      [SETTING.storageConnectionString]: "UseDevelopmentStorage=true",
      [SETTING.serviceBusConnectionString]:
        "Endpoint=sb://127.0.0.1;SharedAccessKeyName=n;SharedAccessKey=k;UseDevelopmentEmulator=true",
    });
    await eventually(() => expect(worker.said()).toMatch(waitsFor));
    await access(work);
    release();
  });

  it("killed storage leaves nothing that delays the next one", async () => {
    await using folder = await temporaryDirectory();
    for (let round = 0; round < 2; round++) {
      await using program = started(...(await PROGRAMS["storage"]!(folder.path)));
      await eventually(() => expect(program.isReady(), program.said()).toBe(true));
      expect(program.said()).not.toContain("Waiting");
    }
  });
});
