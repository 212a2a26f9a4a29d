import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jsonLine, standardTerminal } from "../../../runtime/cli/terminal.ts";
import { printable } from "../../../runtime/core/text.ts";
import { table } from "../../../runtime/cli/table.ts";

/** Characters that no terminal may receive: control characters except tab and line feed, and bidirectional controls. */
const OBEYED = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

const HOSTILE: Readonly<Record<string, readonly [text: string, shown: string]>> = {
  "clearing the screen": ["a\u001b[2J\u001b[Hb", "ab"],
  "the title": ["a\u001b]0;owned\u0007b", "ab"],
  "the title, ended by ST": ["a\u001b]2;owned\u001b\\b", "ab"],
  "the clipboard": ["a\u001b]52;c;cm0gLXJmIH4=\u0007b", "ab"],
  "a link that leads elsewhere": ["\u001b]8;;https://evil.example\u0007ok\u001b]8;;\u0007", "ok"],
  "hidden text": ["a\u001b[8mb\u001b[0mc", "abc"],
  "colours of a job": ["\u001b[32msucceeded\u001b[39m", "succeeded"],
  "C1 controls": ["a\u009b2Jb\u0085c", "abc"],
  "a bell and a backspace": ["a\u0007\u0008b", "ab"],
  "text that goes backwards": ["exe.\u202egpj\u202c \u2066x\u2069\u200f\u061c", "exe.gpj x"],
  "a line that is written over": ["10%\r20%\r\ndone", "10%\n20%\ndone"],
  "a null and a delete": ["a\u0000\u007fb", "ab"],
};

describe("text of jobs and services", () => {
  it.each(Object.entries(HOSTILE))("is shown without %s", { tags: "attack/names" }, (_what, [given, shown]) => {
    expect(printable(given)).toBe(shown);
  });

  it("keeps its lines, tabs and letters of all scripts", () => {
    const good = "a\tb\nÄ 日本語 العربية עברית 👍🏽 e\u0301";
    expect(printable(good)).toBe(good);
  });

  it("contains no control sequence, also when it arrives in pieces", { tags: "attack/names" }, () => {
    const unit = fc.constantFrom(
      "\u001b",
      "\u009b",
      "\u009d",
      "\u0090",
      "[",
      "]",
      "0",
      ";52c",
      "J",
      "H",
      "\u0007",
      "\\",
      "\r",
      "\n",
      "\u202e",
    );
    fc.assert(
      fc.property(fc.array(fc.string({ unit, maxLength: 12 }), { maxLength: 6 }), (pieces) => {
        expect(pieces.map(printable).join("")).not.toMatch(OBEYED);
      }),
      { numRuns: 500 },
    );
  });

  it("is filtered in linear time, even if it consists of starts of sequences", { tags: "attack/names" }, () => {
    for (const beginning of [
      "\u001b",
      "\u001b[",
      "\u001b]",
      "\u009d",
      "\u0090",
      "\u001bP",
      "\u001b[0;",
      "\u009d0;\u001b",
    ]) {
      const started = performance.now();
      expect(printable(beginning.repeat(100_000))).not.toMatch(OBEYED);
      // In quadratic time this would take minutes.
      expect(performance.now() - started).toBeLessThan(10_000);
    }
  });

  it("has the same value as JSON, without control characters", { tags: "attack/names" }, () => {
    for (const given of [...Object.values(HOSTILE).map(([text]) => text), "a\u2028b\u2029c"]) {
      expect(jsonLine({ given })).not.toMatch(OBEYED);
      expect(jsonLine({ given })).not.toMatch(/[\u2028\u2029]/);
      expect(JSON.parse(jsonLine({ given }))).toEqual({ given });
    }
  });
});

/** A stream like the process's, with or without a terminal. */
function stream(isTTY: boolean) {
  const written = new PassThrough();
  const content = text(written);
  Object.assign(written, { isTTY, columns: 80, getColorDepth: () => 8, hasColors: () => true });
  return { stream: written as unknown as NodeJS.WriteStream, end: () => (written.end(), content) };
}

function open({ stdoutTTY = true, stderrTTY = true } = {}) {
  const [out, error] = [stream(stdoutTTY), stream(stderrTTY)];
  const terminal = standardTerminal({ stdout: out.stream, stderr: error.stream });
  return { terminal, ends: async () => ({ out: await out.end(), error: await error.end() }) };
}

const ALL = Object.values(HOSTILE)
  .map(([given]) => given)
  .join("|");

describe("the terminal of the process", () => {
  it("filters results, errors and logs on a terminal", { tags: "attack/names" }, async () => {
    const { terminal, ends } = open();
    terminal.out(ALL);
    terminal.error(ALL);
    terminal.write(ALL);
    const { out, error } = await ends();
    expect(out).not.toMatch(OBEYED);
    expect(error).not.toMatch(OBEYED);
  });

  it("filters each stream separately: a file gets the unchanged text", async () => {
    const { terminal, ends } = open({ stdoutTTY: false });
    terminal.out(ALL);
    terminal.write(ALL);
    terminal.error(ALL);
    const { out, error } = await ends();
    expect(out).toBe(`${ALL}\n${ALL}`);
    expect(error).not.toMatch(OBEYED);
  });

  it("shows unchanged text with --raw", async () => {
    const { terminal, ends } = open();
    terminal.showRaw();
    terminal.out(ALL);
    terminal.write(ALL);
    terminal.error(ALL);
    expect(await ends()).toEqual({ out: `${ALL}\n${ALL}`, error: `${ALL}\n` });
  });

  it("shows its own colours, and none from the text", { tags: "attack/names" }, async () => {
    const { terminal, ends } = open();
    terminal.out(`${terminal.paint("red", `failed\u001b[8m`)} \u001b[32mspoofed\u001b[39m`);
    const cells = [[terminal.paint("green", "succeeded"), "\u001b[2Jname"]];
    terminal.out(table(["state", { title: "name", shortens: true }], cells, { columns: 80, empty: "" }));
    const { out } = await ends();
    const [RED, GREEN, OFF] = ["\u001b[31m", "\u001b[32m", "\u001b[39m"];
    expect(out).toBe(`${RED}failed${OFF} spoofed\nstate      name\n${GREEN}succeeded${OFF}  name\n`);
  });

  it("removes colours with a wrong signature", { tags: "attack/names" }, async () => {
    const [one, other] = [open(), open()];
    const foreign = one.terminal.paint("red", "x");
    other.terminal.out(foreign);
    other.terminal.write(other.terminal.paint("red", "y"));
    expect((await other.ends()).out).toBe("x\ny");
    await one.ends();
  });
});
