/** The main process of the worker's service, against a socket that stands for systemd's. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { hasProgram } from "../../support/processes/has-program.ts";
import { temporaryDirectory, type TemporaryDirectory } from "../../support/temporary-directory.ts";

const PROGRAM = join(import.meta.dirname, "../../../infra/cloud-init/start-worker.py");

/** Tells each message, and the process it came from as the kernel knows it. */
const SYSTEMD = `
import socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.bind(sys.argv[1])
print("bound", flush=True)
while True:
    text, more, _flags, _address = s.recvmsg(1000, socket.CMSG_SPACE(12))
    print(struct.unpack("3i", more[0][2])[0], text.decode(), flush=True)`;

describe.skipIf(!hasProgram("python3", "--version"))("the main process of a worker's service (needs python3)", () => {
  let directory: TemporaryDirectory;
  let systemd: ChildProcess;
  let said: string;
  /** Whole lines. */
  const heard = (): readonly string[] => said.split("\n").slice(0, -1);
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    directory = await temporaryDirectory();
    said = "";
    systemd = spawn("python3", ["-c", SYSTEMD, join(directory.path, "notify")]);
    systemd.stdout?.on("data", (chunk: Buffer) => (said += chunk.toString()));
    await eventually(() => expect(heard()).toEqual(["bound"]));
  });
  afterEach(async () => {
    for (const child of [systemd, ...children.splice(0)]) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
    }
    await directory[Symbol.asyncDispose]();
  });

  /** Starts a release whose program is `source`; what it prints is in `output()`. */
  async function start(source: string) {
    const root = directory.path;
    const release = join(root, "opt/jobyard/releases/v7");
    for (const folder of [release, join(root, "opt/jobyard/node/bin"), join(root, "run/jobyard")])
      await mkdir(folder, { recursive: true });
    await writeFile(join(release, "worker.mjs"), source);
    await symlink(release, join(root, "opt/jobyard/current"));
    await symlink(process.execPath, join(root, "opt/jobyard/node/bin/node"));
    await writeFile(join(root, "run/jobyard/worker-id"), "workers-4\n");
    const child = spawn(PROGRAM, {
      env: { JOBYARD_ROOT: root, NOTIFY_SOCKET: join(root, "notify"), WATCHDOG_PID: "1", KEPT: "as it is" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(child);
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    return { child, output: () => text };
  }

  const SIGN = `import fs from "node:fs";
    const sign = () => fs.writeSync(Number(process.env.JOBYARD_WATCHDOG_DESCRIPTOR), "anything");`;

  it("only the main process notifies systemd that the worker lives", { tags: "attack/jobs" }, async () => {
    const { child } = await start(`${SIGN} setInterval(sign, 5);`);
    await eventually(() => expect(heard().length).toBeGreaterThan(3));
    expect(new Set(heard().slice(1))).toEqual(new Set([`${child.pid} WATCHDOG=1`]));
  });

  it("tells nothing while the worker is stopped or gives no sign", async () => {
    const { output } = await start(`${SIGN} sign(); console.log(process.pid); setInterval(() => {}, 1e6);`);
    await eventually(() => expect(output()).toMatch(/\d+\n/));
    await eventually(() => expect(heard()).toHaveLength(2));
    const worker = Number(output());
    process.kill(worker, "SIGSTOP");
    process.kill(worker, "SIGKILL");
    await eventually(() => expect(children[0]?.exitCode).toBe(128 + 9));
    expect(heard()).toHaveLength(2);
  });

  it(
    "keeps systemd's socket from the worker, and the worker's descriptor from its jobs",
    { tags: "attack/jobs" },
    async () => {
      const { child, output } = await start(`import { execFileSync } from "node:child_process";
      const job = execFileSync("ls", ["-l", "/proc/self/fd"], { env: process.env, encoding: "utf8" });
      const own = execFileSync("readlink", ["/proc/" + process.pid + "/fd/" + process.env.JOBYARD_WATCHDOG_DESCRIPTOR], { encoding: "utf8" });
      console.log(JSON.stringify([process.env, job.includes(own.trim())]));`);
      await once(child, "close");
      const [environment, hasDescriptor] = JSON.parse(output()) as [Record<string, string>, boolean];
      expect(environment).toMatchObject({
        JOBYARD_VERSION: "v7",
        JOBYARD_WORKER_ID: "workers-4",
        JOBYARD_WORKER_DIRECTORY: join(directory.path, "var/lib/jobyard"),
        KEPT: "as it is",
      });
      for (const name of ["NOTIFY_SOCKET", "WATCHDOG_PID", "JOBYARD_ROOT"])
        expect(environment).not.toHaveProperty(name);
      expect(hasDescriptor).toBe(false);
    },
  );

  it("passes on that the worker is to stop, and ends with its exit code", async () => {
    const { child, output } = await start(
      `process.on("SIGTERM", () => { console.log("stopping"); setTimeout(() => process.exit(7), 20); });
      console.log("up"); setInterval(() => {}, 1e6);`,
    );
    await eventually(() => expect(output()).toBe("up\n"));
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([7, null]);
    expect(output()).toBe("up\nstopping\n");
  });
});
