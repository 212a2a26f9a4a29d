import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const SUPERVISOR = fileURLToPath(new URL("orphan-supervisor.ts", import.meta.url));

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

it("programs of a killed supervisor stop in order, also one that hangs", async () => {
  await using folder = await temporaryDirectory();
  const file = join(folder.path, "stopped");
  const child = spawn(process.execPath, [SUPERVISOR, folder.path, file], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  expect(line).toMatch(/^started( \d+){4}$/);
  const pids = line.split(" ").slice(1).map(Number);
  child.kill("SIGKILL");
  await eventually(() => {
    expect(pids.filter(isAlive)).toEqual([]);
  });
  expect(await readFile(file, "utf8")).toBe("worker\napi\nstorage\n");
});
