import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, lstat, mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createJobProcesses, type JobProcesses } from "../../../../../runtime/worker/process/job-processes.ts";
import { findJobUsers, type JobUser } from "../../../../../runtime/worker/process/os/job-user.ts";
import { createLauncher, LaunchError } from "../../../../../runtime/worker/process/os/launch.ts";
import type { JobProcessSpec, ProcessResult } from "../../../../../runtime/worker/process/spec.ts";
import { createWorkspaces, type Workspace } from "../../../../../runtime/worker/process/files/workspace.ts";
import { canBecomeOther, OTHER_USER } from "../../../../support/processes/other-user.ts";
import { temporaryDirectory, type TemporaryDirectory } from "../../../../support/temporary-directory.ts";
import { FACTS, HOST_ENTRY, markedProcesses } from "../lab.ts";
import { eventually } from "../../../../support/eventually.ts";

const ROOT = join(import.meta.dirname, "../../../../..");
const DOOMED = join(import.meta.dirname, "../doomed-worker.ts");

describe.skipIf(!canBecomeOther(HOST_ENTRY, process.execPath))(
  "a job with a user of its own (needs root, and a checkout everybody can read)",
  () => {
    let directory: TemporaryDirectory;
    let user: JobUser;
    let processes: JobProcesses;
    const spaces: Workspace[] = [];
    beforeEach(async () => {
      directory = await temporaryDirectory();
      await chmod(directory.path, 0o711);
      const choice = await findJobUsers(OTHER_USER);
      user = choice.users[0]!;
      const environment = { PATH: process.env["PATH"] ?? "" };
      processes = createJobProcesses({
        ...{ root: directory.path, hostEntry: HOST_ENTRY, spares: 1, environment },
        users: choice,
      });
    });
    afterEach(async () => {
      await processes.close();
      await eventually(() => expect(markedProcesses(directory.path)).toEqual([]));
      await Promise.all(spaces.splice(0).map((workspace) => workspace.remove()));
      await directory[Symbol.asyncDispose]();
    });

    async function run(
      entry: JobProcessSpec["entry"],
      file: string,
      content: string,
    ): Promise<[ProcessResult, Workspace, string]> {
      const workspace = await createWorkspaces({ root: join(directory.path, "attempts") }).create();
      spaces.push(workspace);
      await mkdir(join(workspace.packagePath, "inside"), { recursive: true });
      await writeFile(join(workspace.packagePath, file), content, { mode: 0o755 });
      await writeFile(join(workspace.packagePath, "inside", "data.txt"), "as packed");
      const job = processes.start({
        job: FACTS,
        entry,
        packagePath: workspace.packagePath,
        workspace,
        timeoutMs: 30_000,
      });
      const [result, log] = await Promise.all([job.result, buffer(job.log)]);
      return [result, workspace, log.toString()];
    }

    const MODULE = `
    import fs from "node:fs";
    const attempt = (act) => { try { return String(act()); } catch (error) { return error.code; } };
    const run = async (job, context) => {
      fs.writeFileSync(context.outputPath + "/artifact.txt", "made");
      fs.writeFileSync(context.packagePath + "/inside/data.txt", "changed");
      fs.mkdirSync(context.workingPath + "/closed", { mode: 0 });
      const status = fs.readFileSync("/proc/self/status", "utf8");
      return { output: {
        ids: [process.getuid(), process.geteuid(), process.getgid(), /Groups:(.*)/.exec(status)[1].trim()],
        capabilities: /CapEff:\\s*(\\w+)/.exec(status)[1],
        privileges: /NoNewPrivs:\\s*(\\d)/.exec(status)[1],
        secret: attempt(() => fs.readFileSync("SECRET", "utf8")),
        worker: attempt(() => process.kill(process.ppid, 0)),
        environment: attempt(() => fs.readFileSync("/proc/" + process.ppid + "/environ")),
      } };
    };
    export default Object.defineProperty({ jobType: "Sample", run }, Symbol.for("jobyard.job"), { value: 1 });`;

    it(
      "a job with a user of its own has its own files and reaches nothing of the worker",
      { tags: "attack/jobs" },
      async () => {
        const secret = join(directory.path, "secret");
        await writeFile(secret, "the worker's", { mode: 0o600 });
        const source = MODULE.replace("SECRET", secret);
        const [result, workspace] = await run({ kind: "module", file: "index.mjs" }, "index.mjs", source);
        expect(result.kind).toBe("succeeded");
        expect(JSON.parse((result as { output: string }).output)).toEqual({
          ids: [user.uid, user.uid, user.gid, ""],
          capabilities: "0000000000000000",
          privileges: "1",
          secret: "EACCES",
          worker: "EPERM",
          environment: "EACCES",
        });
        // What it leaves is there for the worker, and goes with the workspace.
        expect(await readFile(join(workspace.outputPath, "artifact.txt"), "utf8")).toBe("made");
        expect((await stat(join(workspace.outputPath, "artifact.txt"))).uid).toBe(user.uid);
        await workspace.remove();
        await expect(stat(workspace.root)).rejects.toMatchObject({ code: "ENOENT" });
      },
    );

    it("a command with a user of its own reads its parameters and leaves its result", async () => {
      const script = `#!/bin/sh\nread -r given < "$JOBYARD_PARAMETERS_FILE"\nprintf '{"uid": %s, "given": %s}' "$(id -u)" "$given" > "$JOBYARD_RESULT_FILE"\n`;
      const [result] = await run({ kind: "command", command: "./job.sh" }, "job.sh", script);
      expect(result).toMatchObject({ kind: "succeeded" });
      expect(JSON.parse((result as { output: string }).output)).toEqual({ uid: user.uid, given: { year: 2026 } });
    });

    it("a job can put nothing in place of its directories or beside them", { tags: "attack/trees" }, async () => {
      const script = `#!/bin/sh
        root=$(dirname "$JOBYARD_OUTPUT_PATH")
        for each in "$JOBYARD_OUTPUT_PATH" "$JOBYARD_PACKAGE_PATH" "$JOBYARD_WORKING_PATH" "$TMPDIR" "$(dirname "$JOBYARD_RESULT_FILE")"; do
          rmdir "$each" 2>/dev/null && ln -s / "$each" && echo "replaced $each"
          mv "$each" "$each.away" 2>/dev/null && echo "moved $each"
        done
        mkdir "$root/beside" 2>/dev/null && echo "made a directory beside"
        ls "$root" 2>/dev/null && echo "listed"
        chmod 777 "$root" 2>/dev/null && echo "opened"
        mv "$JOBYARD_PARAMETERS_FILE" "$TMPDIR" 2>/dev/null && echo "moved parameters"
        echo '"held"' > "$JOBYARD_RESULT_FILE.new" && mv "$JOBYARD_RESULT_FILE.new" "$JOBYARD_RESULT_FILE"
        exit 0\n`;
      const [result, workspace, log] = await run({ kind: "command", command: "./job.sh" }, "job.sh", script);
      expect(log).toBe("");
      expect(result).toEqual({ kind: "succeeded", output: '"held"' });
      const root = await stat(workspace.root);
      expect([root.uid, root.gid, root.mode & 0o777]).toEqual([process.getuid?.(), user.gid, 0o710]);
    });

    it("the files of a job are handed over before its user can reach them", { tags: "attack/trees" }, async () => {
      const workspace = await createWorkspaces({ root: join(directory.path, "attempts") }).create();
      spaces.push(workspace);
      const inner = join(workspace.packagePath, "a", "b");
      await mkdir(inner, { recursive: true });
      await writeFile(join(inner, "file"), "");
      await symlink("/etc", join(inner, "link"));
      const nothing = (): void => undefined;
      const lease = {
        ...{ user, exclusive: true, keep: nothing, release: nothing, close: nothing },
        empty: () => Promise.resolve(0),
      };
      await workspace.handOver(lease);
      for (const path of [inner, join(inner, "file"), join(inner, "link"), workspace.packagePath, workspace.outputPath])
        expect((await lstat(path)).uid).toBe(user.uid);
      expect((await stat("/etc")).uid).toBe(0);
      const { mode } = await stat(workspace.outputPath);
      expect(mode & 0o777).toBe(0o700);
    });

    it("a job ends with everything it has started, also when that hides", { tags: "attack/jobs" }, async () => {
      const script = `#!/bin/sh\nsetsid sleep 600 >/dev/null 2>&1 &\n(sleep 600 >/dev/null 2>&1 &)\nexit 0\n`;
      const [result] = await run({ kind: "command", command: "./job.sh" }, "job.sh", script);
      expect(result.kind).toBe("succeeded");
      // The spare child is left, and nothing else.
      expect(markedProcesses(directory.path).length).toBeLessThanOrEqual(1);
    });

    it("a job with a user of its own dies with its worker", { tags: "attack/jobs" }, async () => {
      const unit = await readFile(join(ROOT, "infra/cloud-init/jobyard-worker.service"), "utf8");
      const [capabilities = "", bounding] = [
        ...unit.matchAll(/^(?:AmbientCapabilities|CapabilityBoundingSet)=(.*)$/gm),
      ].map(([, list]) => list);
      expect(bounding).toBe(capabilities);
      const rights = capabilities.toLowerCase().replaceAll("cap_", "+").replaceAll(" ", ",");
      // As systemd would start it: a user of its own, with these capabilities and no way to more.
      const service = "61234";
      const root = join(directory.path, "service");
      await mkdir(join(root, "package"), { recursive: true });
      const source = MODULE.replace("SECRET", "/etc/shadow").replace(
        "return {",
        "console.log(process.getuid() + ' runs'); for (;;); return {",
      );
      await writeFile(join(root, "package", "index.mjs"), source.replaceAll(/fs\.(write|mkdir).*\n/g, "\n"));
      await chown(root, Number(service), Number(service));
      const worker = spawn(
        "setpriv",
        [
          ...["--reuid", service, "--regid", service, "--clear-groups", "--no-new-privs"],
          ...[`--inh-caps=-all,${rights}`, `--ambient-caps=-all,${rights}`, `--bounding-set=-all,${rights}`],
          ...["--", process.execPath, DOOMED, root, join(root, "package"), HOST_ENTRY, "0", OTHER_USER],
        ],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      let text = "";
      for await (const chunk of worker.stdout) {
        text += String(chunk);
        if (text.includes("runs")) break;
      }
      expect(text).toContain(`${user.uid} runs`);
      expect(markedProcesses(root)).toHaveLength(1);
      worker.kill("SIGKILL");
      await once(worker, "exit");
      await eventually(() => expect(markedProcesses(root)).toEqual([]), { interval: 2 });
    });
  },
);

describe("the user of jobs", () => {
  it.skipIf(process.platform !== "linux")("the user of jobs exists and is not root", async () => {
    await expect(findJobUsers("no-such-user")).rejects.toThrow("There is no user no-such-user");
    await expect(findJobUsers("nobody-*")).rejects.toThrow("There is no user nobody-*");
    await expect(findJobUsers("root")).rejects.toThrow("Jobs must not run as root");
    const [other] = (await findJobUsers(OTHER_USER)).users;
    const worker = vi.spyOn(process, "getuid").mockReturnValue(other?.uid ?? 0);
    await expect(findJobUsers(OTHER_USER)).rejects.toThrow(`Jobs must not run as ${OTHER_USER}: the worker does.`);
    worker.mockRestore();
  });

  it("without the program that changes users nothing is started", () => {
    const config = { root: "/nowhere", searchPath: "/nowhere", changesUser: true, hostEntry: "" };
    expect(() => createLauncher(config)).toThrow(LaunchError);
  });
});
