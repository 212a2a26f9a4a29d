import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ownFolder } from "../../../runtime/platform/own-folder.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const OWNER = fileURLToPath(new URL("owner.ts", import.meta.url));

/** A process that tries to own the folder; `said`: whether it does. */
async function starter(directory: string): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(process.execPath, [OWNER, directory], { stdio: ["ignore", "pipe", "inherit"] });
  const [said] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return { child, said };
}

async function killed({ child }: { child: ChildProcess }): Promise<void> {
  const gone = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
  child.kill("SIGKILL");
  await gone;
}

describe("ownFolder", () => {
  it(
    "a folder gets one owner of several that ask at once, also after an owner was killed",
    { timeout: 60_000 },
    async () => {
      await using folder = await temporaryDirectory();
      for (let round = 0; round < 2; round++) {
        const all = await Promise.all(Array.from({ length: 4 }, () => starter(folder.path)));
        const owners = all.filter(({ said }) => said === "owner");
        expect(owners.length).toBe(1);
        for (const { said } of all.filter((one) => !owners.includes(one))) {
          expect(said).toMatch(
            new RegExp(`^process ${owners[0]!.child.pid}, since \\d{4}-\\d\\d-\\d\\d |^another process$`),
          );
        }
        await Promise.all(all.map(killed));
        expect(JSON.parse(await readFile(join(folder.path, "owner.json"), "utf8"))).toMatchObject({
          pid: owners[0]!.child.pid,
        });
      }
    },
  );

  it("a second process is told the owner of a folder, with its process id and start", async () => {
    await using folder = await temporaryDirectory();
    const { release } = await ownFolder({ directory: folder.path });
    await expect(ownFolder({ directory: folder.path })).rejects.toThrow(
      new RegExp(`^The folder ${folder.path} is in use by process ${process.pid}, since \\d{4}-\\d\\d-\\d\\d \\d\\d:`),
    );
    release();
    release();
    (await ownFolder({ directory: folder.path })).release();
  });

  it("a living process with the id of a killed owner does not own the folder", async () => {
    await using folder = await temporaryDirectory();
    await writeFile(join(folder.path, "owner.json"), JSON.stringify({ pid: process.ppid, since: new Date(0) }));
    (await ownFolder({ directory: folder.path })).release();
  });

  it("a waiting process is told the owner once, and owns the folder when that ends", async () => {
    await using folder = await temporaryDirectory();
    const first = await ownFolder({ directory: folder.path });
    const waits: string[] = [];
    const second = await ownFolder({
      directory: folder.path,
      waitMs: 60_000,
      onWait(owner) {
        waits.push(owner);
        // Later than one look.
        setTimeout(() => first.release(), 150);
      },
    });
    expect(waits).toEqual([expect.stringContaining(`process ${process.pid}`)]);
    second.release();
  });

  it("a waiting process stops when it is told to end", async () => {
    await using folder = await temporaryDirectory();
    const { release } = await ownFolder({ directory: folder.path });
    const told = new AbortController();
    const onWait = (): void => told.abort(new Error("enough"));
    await expect(ownFolder({ directory: folder.path, waitMs: 60_000, signal: told.signal, onWait })).rejects.toThrow(
      "enough",
    );
    release();
  });

  it("a folder keeps its lock from other users", async () => {
    await using folder = await temporaryDirectory();
    const { release } = await ownFolder({ directory: join(folder.path, "new") });
    for (const name of ["owner.lock", "owner.json"]) {
      expect((await stat(join(folder.path, "new", name))).mode & 0o077).toBe(0);
    }
    release();
    await expect(stat(join(folder.path, "new", "owner.json"))).rejects.toThrow("ENOENT");
  });
});
