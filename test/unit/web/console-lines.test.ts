import { stripVTControlCharacters } from "node:util";
import { expect, it } from "vitest";
import { readableConsole } from "../../../web/pages/health/console-lines.ts";

const time = "2026-11-30T04:59:42.633Z";

it("a line of the logger begins with what a person looks for", () => {
  const entry = {
    level: "info",
    time,
    service: "jobyard-worker",
    version: "1",
    instance: "w",
    jobId: "a.b",
    n: 2,
    msg: "started",
  };
  expect(stripVTControlCharacters(readableConsole(JSON.stringify(entry)))).toBe(
    "04:59:42.633 info started jobId=a.b n=2",
  );
});

it("errors are red and warnings yellow", () => {
  const line = (level: string) => readableConsole(JSON.stringify({ level, time, msg: "m" }));
  expect(line("error")).toContain("\u001b[31merror m");
  expect(line("warn")).toContain("\u001b[33mwarn m");
});

it("a text of a job makes neither lines nor colors", () => {
  const hostile = "a\n04:59:42.633 info fine\u001b[2J";
  const shown = readableConsole(JSON.stringify({ level: "info", time, msg: hostile, error: hostile }));
  expect(shown.split("\n")).toHaveLength(1);
  expect(stripVTControlCharacters(shown)).toBe(
    String.raw`04:59:42.633 info a\n04:59:42.633 info fine\u001b[2J error="a\n04:59:42.633 info fine\u001b[2J"`,
  );
});

it("all other lines stay as they are, also a cut first one", () => {
  const text = ['22Z","msg":"cut"}', "{broken", "", '{"level":3,"time":4,"msg":null}', "null", "plain text", ""].join(
    "\n",
  );
  expect(readableConsole(text)).toBe(text);
});
