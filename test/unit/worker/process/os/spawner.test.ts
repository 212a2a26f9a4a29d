import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SPAWNER_ARGUMENT } from "../../../../../runtime/worker/process/host/serve-spawns.ts";
import { findProgram } from "../../../../../runtime/worker/process/os/launch.ts";
import { readProcessTable } from "../../../../../runtime/worker/process/os/proc-table.ts";
import { type SpawnedProcess, type Spawner, startSpawner } from "../../../../../runtime/worker/process/os/spawner.ts";
import { HOST_ENTRY } from "../lab.ts";

const PATH = process.env["PATH"] ?? "";
const setpriv = findProgram("setpriv", PATH);

let spawner: Spawner;
beforeEach(() => {
  spawner = startSpawner({ hostEntry: HOST_ENTRY, searchPath: PATH, setpriv });
});
afterEach(() => spawner.close());

const shell = (script: string, pipes = 2): Promise<SpawnedProcess> =>
  spawner.spawn({
    program: "/bin/sh",
    args: ["-c", script],
    cwd: "/",
    environment: { WORD: "ü" },
    pipes,
    oomScore: "500",
  });

/** Processes that this one has started to start others. */
const spawnerPids = (): readonly number[] =>
  (readProcessTable()?.processes ?? [])
    .filter(({ pid, parent, dead }) => {
      if (parent !== process.pid || dead) return false;
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(SPAWNER_ARGUMENT);
    })
    .map(({ pid }) => pid);

describe("a spawner", () => {
  it("all that processes print arrives, even of those that have ended at once", async () => {
    const ran = Array.from({ length: 30 }, async (_, index) => {
      const { stdio, exit } = await shell(`echo "${index} $WORD"; echo error >&2; echo report >&3; exit ${index}`, 3);
      const outputs = await Promise.all(stdio.slice(1).map((pipe) => text(pipe!)));
      return [...outputs, await exit];
    });
    expect(await Promise.all(ran)).toEqual(
      ran.map((_, index) => [`${index} ü\n`, "error\n", "report\n", { code: index, signal: null }]),
    );
  });

  it("a process reads what is written to its pipe, and ends by a signal", async () => {
    const { pid, stdio, exit } = await shell("read -r line <&4; echo got $line; exec sleep 600", 4);
    stdio[4]?.write("a line\n");
    const [chunk] = (await stdio[1]!
      .iterator({ destroyOnReturn: false })
      .next()
      .then(({ value }) => [value])) as [Buffer];
    expect(chunk.toString()).toBe("got a line\n");
    process.kill(pid, "SIGTERM");
    expect(await exit).toEqual({ code: null, signal: "SIGTERM" });
    for (const pipe of stdio) pipe?.destroy();
  });

  it("a program that is not there is refused", async () => {
    const request = { program: "/nowhere/program", args: [], cwd: "/", environment: {}, pipes: 2, oomScore: "500" };
    await expect(spawner.spawn(request)).rejects.toThrow("ENOENT");
  });

  it.runIf(setpriv !== undefined)("its processes end with it, and another one starts the next", async () => {
    // As the launcher starts them.
    const args = ["--pdeathsig", "KILL", "--", "sleep", "600"];
    const request = { program: setpriv!, args, cwd: "/", environment: { PATH }, pipes: 2, oomScore: "500" };
    const { exit, stdio } = await spawner.spawn(request);
    const [pid, ...others] = spawnerPids();
    expect(others).toEqual([]);
    process.kill(pid!, "SIGKILL");
    expect(await exit).toEqual({ code: null, signal: "SIGKILL" });
    await Promise.all(stdio.slice(1).map((pipe) => text(pipe!)));
    expect(await (await shell("exit 7")).exit).toEqual({ code: 7, signal: null });
    expect(spawnerPids()).toHaveLength(1);
  });
});
