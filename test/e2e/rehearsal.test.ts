/** A killed rehearsal leaves no processes, and the next one deletes its files. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";

const ROOT = join(import.meta.dirname, "../..");
const canNamespace = process.platform === "linux" && process.getuid?.() === 0;

const started: ChildProcess[] = [];
afterAll(() => started.forEach((child) => child.kill("SIGKILL")));

function rehearse(): { readonly child: ChildProcess; readonly output: () => string } {
  const main = join(ROOT, "infra/rehearsal/main.ts");
  const child = spawn(process.execPath, [main, "--only", "api"], { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  started.push(child);
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
  return { child, output: () => text };
}

/** Command lines on this machine that contain that rehearsal's folder. */
async function processesOf(pid: number): Promise<readonly string[]> {
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(names.map((name) => readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "")));
  return lines.filter((line) => line.includes(`jobyard-rehearsal-${pid}-`));
}

const foldersOf = async (pid: number): Promise<readonly string[]> =>
  (await readdir(tmpdir())).filter((name) => name.startsWith(`jobyard-rehearsal-${pid}-`));

describe.skipIf(!canNamespace)("a rehearsal (needs root on Linux)", () => {
  it("that is killed leaves no process and no mount, and the next start deletes its folder", async () => {
    const { child, output } = rehearse();
    const pid = child.pid ?? 0;
    await eventually(() => expect(output()).toContain("✓ up"), { timeout: 240_000 });
    expect(await processesOf(pid)).not.toEqual([]);
    child.kill("SIGKILL");
    await once(child, "close");
    await eventually(async () => expect(await processesOf(pid)).toEqual([]));
    expect(await readFile("/proc/mounts", "utf8")).not.toContain(`jobyard-rehearsal-${pid}-`);
    expect(await foldersOf(pid)).toHaveLength(1);

    const next = rehearse();
    await eventually(async () => expect(await foldersOf(pid)).toEqual([]), { timeout: 240_000 });
    // A signal ends it in order, and its own folder is deleted.
    next.child.kill("SIGTERM");
    await once(next.child, "close");
    expect(await foldersOf(next.child.pid ?? 0)).toEqual([]);
  });
});
