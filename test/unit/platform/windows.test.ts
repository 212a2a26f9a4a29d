import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { windowsProblem } from "../../../runtime/platform/windows.mjs";

const START = join(import.meta.dirname, "../../../runtime/main/start.mjs");
/** Loaded first, it makes the process believe that it runs there. */
const ON_WINDOWS = `data:text/javascript,Object.defineProperty(process, "platform", { value: "win32" })`;

it("npm start on native Windows only prints the command that opens WSL", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", ON_WINDOWS, START, "local"], {
    encoding: "utf8",
  });
  expect([status, stdout]).toEqual([1, ""]);
  expect(stderr).toBe(`${windowsProblem("win32") ?? ""}\n`);
  expect(stderr).toMatch(/^Jobyard does not run on Windows itself, .*`wsl --install`.*\n$/);
});

it("npm start prints no such message on Linux, WSL2 and macOS", () => {
  expect([windowsProblem("linux"), windowsProblem("darwin")]).toEqual([undefined, undefined]);
});
