import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createJobProcesses, type JobProcesses } from "../../../../../runtime/worker/process/job-processes.ts";
import { createJobUsers } from "../../../../../runtime/worker/process/os/job-users.ts";
import type { JobUserChoice } from "../../../../../runtime/worker/process/os/job-user.ts";
import { processesOf } from "../../../../../runtime/worker/process/os/proc-table.ts";
import type { JobProcess, JobProcessSpec, ProcessResult } from "../../../../../runtime/worker/process/spec.ts";
import { createWorkspaces, type Workspace } from "../../../../../runtime/worker/process/files/workspace.ts";
import { eventually } from "../../../../support/eventually.ts";
import { hasProgram } from "../../../../support/processes/has-program.ts";
import { canBecomeOther, freshUsers } from "../../../../support/processes/other-user.ts";
import { FACTS, HOST_ENTRY, sharedPackage } from "../lab.ts";

const DOOMED = join(import.meta.dirname, "../doomed-worker.ts");
const UNIT = join(import.meta.dirname, "../../../../../infra/cloud-init/jobyard-worker.service");
const SEARCH_PATH = process.env["PATH"] ?? "";

/** Leaves everything a process can: group, session, parents, and the environment it was started with. */
const DAEMON = `env -i /bin/sh -c 'PATH=${SEARCH_PATH}; setsid sh -c "setsid sleep 600 & exit 0" & exit 0' >/dev/null 2>&1 </dev/null`;
const BOMB = `bomb() { bomb | bomb & }; bomb 2>/dev/null`;
const script = (...lines: readonly string[]): string => ["#!/bin/sh", ...lines, ""].join("\n");

const running = ({ users }: JobUserChoice): number => users.flatMap(({ uid }) => processesOf(uid)).length;

interface Started {
  readonly process: JobProcess;
  readonly workspace: Workspace;
  readonly log: () => string;
  /** Once the log has been read to its end. */
  readonly result: Promise<ProcessResult>;
}

describe.skipIf(!canBecomeOther(HOST_ENTRY, process.execPath))(
  "jobs with users of their own (needs root, and a checkout everybody can read)",
  () => {
    let root: string;
    let choice: JobUserChoice;
    let processes: JobProcesses;
    let closed: string[];
    const workspaces: Workspace[] = [];

    async function open(userCount: number, spares = 0): Promise<void> {
      choice = freshUsers(userCount);
      closed = [];
      processes = createJobProcesses({
        ...{ root, hostEntry: HOST_ENTRY, spares, environment: { PATH: SEARCH_PATH }, users: choice },
        onUserClosed: (why) => closed.push(why),
      });
      await processes.sweep();
    }

    beforeEach(async () => {
      root = await mkdtemp(join(tmpdir(), "jobyard-users-"));
      await chmod(root, 0o711);
    });
    afterEach(async () => {
      await Promise.all(workspaces.splice(0).map((workspace) => workspace.remove()));
      await processes.close();
      expect(running(choice)).toBe(0);
      expect(closed).toEqual([]);
      await rm(root, { recursive: true });
    });

    async function start(content: string | undefined, changes: Partial<JobProcessSpec> = {}): Promise<Started> {
      const workspace = await createWorkspaces({ root: join(root, "attempts") }).create();
      workspaces.push(workspace);
      if (content !== undefined) {
        await mkdir(workspace.packagePath);
        await writeFile(join(workspace.packagePath, "job.sh"), content, { mode: 0o755 });
        await writeFile(join(workspace.packagePath, "index.mjs"), content);
      }
      const process = processes.start({
        job: FACTS,
        entry: { kind: "command", command: "./job.sh" },
        packagePath: workspace.packagePath,
        workspace,
        timeoutMs: 50_000,
        ...changes,
      });
      let text = "";
      const reading = (async () => {
        for await (const chunk of process.log) text += Buffer.from(chunk).toString();
      })();
      return { process, workspace, log: () => text, result: reading.then(() => process.result) };
    }

    async function end({ process, workspace, result }: Started): Promise<ProcessResult> {
      const ended = await result;
      await process.workspace?.remove();
      await workspace.remove();
      return ended;
    }

    it.each([
      ["that left group, session, parents and environment", DAEMON],
      [
        "in a chain that never stands still",
        `chain() { sh -c "$1" sh "$1" & }; chain 'exec setsid sh -c "$1" sh "$1" &'`,
      ],
      ["whose first thread has ended", `exec ${process.execPath} -e 'setTimeout(() => {}, 1e6)' >/dev/null 2>&1 & `],
      ["in a process namespace of their own", `unshare --user --pid --fork sleep 600 >/dev/null 2>&1 &`],
      ["that are stopped", `sh -c 'kill -STOP $$' >/dev/null 2>&1 &`],
    ])("ends processes %s with their job", { tags: "attack/jobs" }, async (_which, line) => {
      await open(1);
      const job = await start(script(line, "sleep 0.2", "exit 0"));
      expect(await job.result).toMatchObject({ kind: "succeeded" });
      expect(running(choice)).toBe(0);
    });

    it("the log says how many processes a job left", { tags: "attack/jobs" }, async () => {
      await open(1);
      const job = await start(script("env -i setsid sleep 600 >/dev/null 2>&1 &", "sleep 0.1"));
      await job.result;
      expect(job.log()).toContain("1 processes that the job had left running were ended.");
    });

    it("a fork bomb ends with its job, and the user's next job runs", { tags: "attack/jobs" }, async () => {
      await open(1);
      const bomb = await start(script(BOMB, "sleep 600"), { timeoutMs: 2_000 });
      expect(await bomb.result).toMatchObject({ kind: "failed", code: "JobTimedOut" });
      expect(running(choice)).toBe(0);
      await bomb.workspace.remove();
      expect(await end(await start(script("exit 0")))).toMatchObject({ kind: "succeeded" });
    });

    it("the memory of hidden processes counts", { tags: "attack/jobs" }, async () => {
      await open(1);
      const hog = `env -i setsid ${process.execPath} -e 'globalThis.a = Buffer.alloc(3e8, 1); setTimeout(() => {}, 1e6)' >/dev/null 2>&1 &`;
      const job = await start(script(hog, "sleep 600"), { memoryMb: 200 });
      expect(await job.result).toMatchObject({ kind: "failed", code: "JobOutOfMemory" });
    });

    it(
      "jobs that run at the same time have different users and see nothing of each other",
      { tags: "attack/jobs" },
      async () => {
        await open(2);
        const one = await start(script(`id -u; echo secret >"$JOBYARD_WORKING_PATH/secret"; sleep 600`));
        await eventually(() => expect(one.log()).toMatch(/ out \d+/));
        const other = await start(
          script(
            `id -u`,
            `cat ${one.workspace.workingPath}/secret`,
            `kill -0 ${one.process.pid} || echo "not mine"`,
            `exit 0`,
          ),
        );
        expect(await end(other)).toMatchObject({ kind: "succeeded" });
        const user = (log: string): string | undefined => / out (\d+)/.exec(log)?.[1];
        expect(user(one.log())).not.toBe(user(other.log()));
        expect(other.log()).toMatch(/Permission denied/);
        expect(other.log()).toMatch(/not mine/);
        await one.process.kill();
      },
    );

    it("a user is free only after its files are removed, also those in /tmp", { tags: "attack/jobs" }, async () => {
      await open(1);
      const file = `/tmp/jobyard-left-${choice.users[0]!.uid}`;
      const first = await start(script(`mkdir ${file}`, `touch ${file}/inside`, `chmod 0 ${file}`));
      await first.result;
      const second = await start(script(`test ! -e ${file}`, `test ! -e ${first.workspace.workingPath}`));
      await first.workspace.remove();
      expect(await end(second)).toMatchObject({ kind: "succeeded" });
      await expect(stat(file)).rejects.toMatchObject({ code: "ENOENT" });
    });

    it.skipIf(!hasProgram("ipcmk", "--version"))(
      "no shared memory, queue or semaphore of a job is left (needs ipcmk)",
      { tags: "attack/jobs" },
      async () => {
        await open(1);
        const leaves = ["--shmem 4096", "--queue", "--semaphore 1"].map((what) => `ipcmk ${what} --mode 0666`);
        const first = await start(script(...leaves, "ipcs; echo left"));
        expect(await end(first)).toMatchObject({ kind: "succeeded" });
        expect(first.log()).toContain("left");
        expect(first.log().match(/ id: \d+/g)).toHaveLength(3);
        // It has the same user, so it starts when nothing of the first is left.
        const second = await start(script("id -u"));
        expect(await end(second)).toMatchObject({ kind: "succeeded" });
        const uid = / out (\d+)$/m.exec(second.log())?.[1] ?? "none";
        expect(execFileSync("ipcs").toString().split(/\s+/)).not.toContain(uid);
        expect(uid).toMatch(/^\d+$/);
      },
    );

    it("every spare and every command has a user of its own", async () => {
      await open(5, 2);
      const module = `const run = async () => ({ output: process.getuid() });
        export default Object.defineProperty({ jobType: "Sample", run }, Symbol.for("jobyard.job"), { value: 1 });`;
      const entry = { kind: "module", file: "index.mjs" } as const;
      const jobs = await Promise.all([start(module, { entry }), start(script("exit 0")), start(module, { entry })]);
      const results = await Promise.all(jobs.map(end));
      expect(results.map(({ kind }) => kind)).toEqual(["succeeded", "succeeded", "succeeded"]);
    });

    it("an idle shared process gives its user to a job that needs one", async () => {
      await open(1);
      const shared = sharedPackage({ quick: "return { output: process.getuid() };" });
      const share = {
        shared,
        entry: { kind: "module", file: "index.mjs" },
        job: { ...FACTS, parameters: '"quick"', interruption: 0 },
      } as const;
      for (let turn = 0; turn < 2; turn++) {
        const { uid } = choice.users[0]!;
        expect(await end(await start(undefined, share))).toEqual({ kind: "succeeded", output: String(uid) });
      }
      expect(shared.copyCount).toBe(1);
      expect(await end(await start(script("exit 0")))).toMatchObject({ kind: "succeeded" });
    });

    it("leftovers of an earlier worker end before a job gets their user", { tags: "attack/jobs" }, async () => {
      await open(1);
      const { uid } = choice.users[0]!;
      const left = spawn("setpriv", ["--reuid", String(uid), "--clear-groups", "--", "sleep", "600"]);
      await eventually(() => expect(processesOf(uid)).toHaveLength(1));
      const users = createJobUsers({
        choice,
        searchPath: SEARCH_PATH,
        onShort: () => undefined,
        onClosed: () => undefined,
      });
      const ended = once(left, "exit");
      const lease = await users.take();
      expect(await ended).toEqual([null, "SIGKILL"]);
      lease.release();
      await users.settled();
    });

    it("users for jobs need no more rights than the service gives the worker", async () => {
      await open(1);
      const unit = await readFile(UNIT, "utf8");
      const rights = /^AmbientCapabilities=(.*)$/m
        .exec(unit)?.[1]
        ?.toLowerCase()
        .replaceAll("cap_", "+")
        .replaceAll(" ", ",");
      const service = String(choice.users[0]!.uid + 50);
      const home = join(root, "service");
      await mkdir(join(home, "package"), { recursive: true });
      await writeFile(
        join(home, "package", "index.mjs"),
        `import { execSync } from "node:child_process";
        const run = async () => { execSync(${JSON.stringify(DAEMON)}); console.log("limit " + execSync("grep processes /proc/self/limits")); };
        export default Object.defineProperty({ jobType: "Sample", run }, Symbol.for("jobyard.job"), { value: 1 });`,
      );
      await chown(home, Number(service), Number(service));
      const worker = spawn(
        "setpriv",
        [
          ...["--reuid", service, "--regid", service, "--clear-groups", "--no-new-privs"],
          ...[`--inh-caps=-all,${rights}`, `--ambient-caps=-all,${rights}`, `--bounding-set=-all,${rights}`],
          ...[
            "--",
            process.execPath,
            DOOMED,
            home,
            join(home, "package"),
            HOST_ENTRY,
            "0",
            String(choice.users[0]!.uid),
          ],
        ],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      let text = "";
      for await (const chunk of worker.stdout) text += String(chunk);
      expect(text).toMatch(/limit Max processes +1024 +1024/);
      expect(text).toMatch(/\d processes that the job had left running were ended/);
      expect(running(choice)).toBe(0);
      worker.kill("SIGKILL");
    });
  },
);
