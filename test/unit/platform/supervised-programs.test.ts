/** What programs and their supervisor say to each other, with real processes. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { CONSOLE_MAX_BYTES, type Programs } from "../../../runtime/core/ports/programs.ts";
import { createSupervisor } from "../../../runtime/local/supervisor.ts";
import { programsOfSupervisor } from "../../../runtime/platform/supervised-programs.ts";
import { eventually } from "../../support/eventually.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const modulePath = fileURLToPath(new URL("supervised-program.ts", import.meta.url));

/** Programs under a supervisor, which ends with them. */
async function supervised() {
  const folder = await temporaryDirectory();
  const ends: string[] = [];
  const onRestart = (name: string, how: string): void => void ends.push(`${name}: ${how}`);
  const supervisor = createSupervisor({ logDirectory: folder.path, onRestart });
  const names: string[] = [];
  const consoleOf = (name: string): Promise<string> => readFile(join(folder.path, `${name}.log`), "utf8");
  return {
    ends,
    supervisor,
    consoleOf,
    start(
      name: string,
      { readyMs = 0, stopMs = 0, asks = [] }: { readyMs?: number; stopMs?: number; asks?: string[] } = {},
    ) {
      names.push(name);
      const args = [String(readyMs), String(stopMs), ...asks];
      return supervisor.start({ name, modulePath, args, env: {}, stopGraceMs: 10_000, stopsAfter: [] });
    },
    /** What a program was told last. */
    heardBy: async (name: string): Promise<unknown> =>
      JSON.parse((await consoleOf(name)).trim().split("\n").at(-1) ?? ""),
    async [Symbol.asyncDispose]() {
      await supervisor.stop([names]);
      await folder[Symbol.asyncDispose]();
    },
  };
}

it("a program knows all programs, and has one restarted", async () => {
  await using system = await supervised();
  await system.start("storage");
  const first = system.supervisor.pidOf("storage");
  await system.start("api", { asks: ["storage"] });
  await eventually(() => {
    expect(system.ends).toEqual(["storage: a restart was asked for"]);
  });
  await eventually(async () => {
    expect(await system.heardBy("api")).toMatchObject([
      { name: "storage", state: "running", restartCount: 1 },
      { name: "api", state: "running", restartCount: 0 },
    ]);
  });
  expect(system.supervisor.pidOf("storage")).not.toBe(first);
  // It was stopped as at the end, not killed: it said its last words.
  expect(await system.consoleOf("storage")).toContain("stopped\n");
});

it("a program that is being restarted when all stop has its time to end", async () => {
  await using system = await supervised();
  await system.start("worker", { stopMs: 5_000 });
  await system.start("api", { asks: ["worker"] });
  await eventually(async () => {
    expect(await system.consoleOf("worker")).toContain("stopping\n");
  });
  expect(await system.heardBy("api")).toMatchObject([{ name: "worker", state: "restarting" }, { name: "api" }]);
  await system.supervisor.stop([["worker", "api"]]);
  expect(await system.consoleOf("worker")).toContain("stopped\n");
  expect(system.ends).toEqual([]);
});

it("a program in its first start is not restarted", async () => {
  await using system = await supervised();
  const starting = system.start("worker", { readyMs: 1_500 });
  await system.start("api", { asks: ["worker"] });
  await starting;
  await eventually(async () => {
    expect(await system.heardBy("api")).toMatchObject([{ name: "worker", state: "running" }, { name: "api" }]);
  });
  expect(await system.consoleOf("worker")).not.toContain("stopping");
});

it("a program without a supervisor knows none", async () => {
  const programs = programsOfSupervisor({ on: () => process });
  expect(programs.list()).toEqual([]);
  expect(await programs.openConsole("api")).toBeUndefined();
  expect(programs.restart("api")).toBe(false);
});

/** What a program knows that was told of one. */
function told({ logFile }: { readonly logFile: string }): Programs {
  const listeners: ((message: unknown) => void)[] = [];
  const on = (event: string, listener: (message: unknown) => void): NodeJS.Process => {
    if (event === "message") listeners.push(listener);
    return process;
  };
  const programs = programsOfSupervisor({ on: on as NodeJS.Process["on"] });
  const report = { name: "api", state: "running", startedAt: new Date().toISOString(), restartCount: 0, logFile };
  for (const listener of listeners) listener({ type: "programs", programs: [report] });
  return programs;
}

it("of a long console, the end is read", async () => {
  await using folder = await temporaryDirectory();
  const logFile = join(folder.path, "api.log");
  await writeFile(logFile, `first\n${"x".repeat(CONSOLE_MAX_BYTES)}last\n`);
  const programs = told({ logFile });
  const stream = await programs.openConsole("api");
  let text = "";
  for await (const piece of stream ?? []) text += Buffer.from(piece).toString();
  expect(Buffer.byteLength(text)).toBe(CONSOLE_MAX_BYTES);
  expect(text.endsWith("last\n")).toBe(true);
});

it("the console of a program whose file was removed is empty", async () => {
  await using folder = await temporaryDirectory();
  const programs = told({ logFile: join(folder.path, "removed.log") });
  const stream = await programs.openConsole("api");
  for await (const piece of stream ?? []) expect(piece).toHaveLength(0);
});
