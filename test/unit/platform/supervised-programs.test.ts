/** What programs and their supervisor say to each other, with real processes. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { CONSOLE_MAX_BYTES } from "../../../runtime/core/ports/programs.ts";
import { createSupervisor } from "../../../runtime/local/supervisor.ts";
import { hearOfPrograms } from "../../../runtime/platform/supervised-programs.ts";
import { eventually } from "../../support/eventually.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const modulePath = fileURLToPath(new URL("supervised-program.ts", import.meta.url));

it("a program knows all programs, reads their consoles, and has one restarted", async () => {
  await using folder = await temporaryDirectory();
  const ends: string[] = [];
  const supervisor = createSupervisor({
    logDirectory: folder.path,
    onRestart: (name, how) => ends.push(`${name}: ${how}`),
  });
  const start = (name: string, ...args: readonly string[]) =>
    supervisor.start({ name, modulePath, args, env: {}, stopGraceMs: 10_000, stopsAfter: [] });
  try {
    await start("storage");
    const first = supervisor.pidOf("storage");
    // It asks for nothing that is not there, then for the restart of the other, and prints all it hears.
    await start("api", "nobody", "storage");
    await eventually(() => {
      expect(ends).toEqual(["storage: a restart was asked for"]);
    });
    await eventually(async () => {
      const heard = (await readFile(join(folder.path, "api.log"), "utf8")).trim().split("\n").at(-1);
      expect(JSON.parse(heard ?? "")).toMatchObject([
        { name: "storage", state: "running", restartCount: 1 },
        { name: "api", state: "running", restartCount: 0 },
      ]);
    });
    expect(supervisor.pidOf("storage")).not.toBe(first);
    // It was stopped as at the end, not killed: it said its last words.
    expect(await readFile(join(folder.path, "storage.log"), "utf8")).toContain("stopped\n");
  } finally {
    await supervisor.stop([["api", "storage"]]);
  }
});

it("a program without a supervisor knows none", async () => {
  const programs = hearOfPrograms({ on: () => process });
  expect(programs.list()).toEqual([]);
  expect(await programs.openConsole("api")).toBeUndefined();
  expect(programs.restart("api")).toBe(false);
});

it("of a long console, the end is read", async () => {
  await using folder = await temporaryDirectory();
  const logFile = join(folder.path, "api.log");
  await writeFile(logFile, `first\n${"x".repeat(CONSOLE_MAX_BYTES)}last\n`);
  let tell: (message: unknown) => void = () => undefined;
  const on = (_event: string, listener: (message: unknown) => void): NodeJS.Process => {
    tell = listener;
    return process;
  };
  const programs = hearOfPrograms({ on: on as NodeJS.Process["on"] });
  const report = { name: "api", state: "running", startedAt: new Date().toISOString(), restartCount: 0, logFile };
  tell({ type: "programs", programs: [report] });
  const stream = await programs.openConsole("api");
  let text = "";
  for await (const piece of stream ?? []) text += Buffer.from(piece).toString();
  expect(Buffer.byteLength(text)).toBe(CONSOLE_MAX_BYTES);
  expect(text.endsWith("last\n")).toBe(true);
});
