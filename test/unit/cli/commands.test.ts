/** The table of commands: help, parsing, completion and documents must agree with it. */
import { spawnSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  commandsIn,
  takesValue,
  wordsOf,
  type CommandSpec,
  type OptionSpec,
} from "../../../runtime/cli/command-spec.ts";
import { EXIT, EXIT_MEANINGS } from "../../../runtime/cli/exit-codes.ts";
import { COMMANDS } from "../../../runtime/cli/specs/commands.ts";
import { runCliHere } from "../../support/processes/cli-in-process.ts";
import { readDocument, rowsOf, sectionOf } from "../../support/docs/document-tables.ts";

const ROOT = join(import.meta.dirname, "../../..");
const all = [...commandsIn(COMMANDS)];

interface Found {
  readonly spec: CommandSpec;
  readonly rest: readonly string[];
}

/** The command at these words, and the remaining words. */
function specAt(words: readonly string[], specs = COMMANDS, usual?: string): Found | undefined {
  const [first, ...rest] = words;
  const named = specs.find(({ name }) => name === first);
  const spec = named ?? specs.find(({ name }) => name === usual);
  if (spec === undefined) return undefined;
  const left = named === undefined ? words : rest;
  return spec.commands === undefined ? { spec, rest: left } : specAt(left, spec.commands, spec.defaultCommand);
}

const HELP: OptionSpec = { flags: "-h, --help", text: "" };

/** The error in a line of a document, or undefined. */
function problemOf(line: string): string | undefined {
  const words = line.match(/'[^']*'|"[^"]*"|[^\s'"]+/g) ?? [];
  if (words[0]?.startsWith("-") || words[0] === "help") return undefined;
  const found = specAt(words);
  if (found === undefined) return "no such command";
  const options = [...(found.spec.options ?? []), HELP];
  for (const word of found.rest.filter((one) => /^--?[a-z]/.test(one))) {
    if (!options.some((option) => wordsOf(option).includes(word.replace(/=.*/, "")))) return `no option ${word}`;
  }
  return undefined;
}

/** Lines of `sh` blocks and text in backticks that call jobyard. */
function callsIn(text: string): readonly string[] {
  const called = [...text.matchAll(/(?:^|`|[|&;]\s*|\s)(?:npx --no (?:-- )?)?jobyard ([^`|\n#]+)/gm)];
  return called.map(([, line = ""]) => line.trim()).filter((line) => /^[a-z-]+( |$)/.test(line));
}

describe("the table of commands", () => {
  it("has full sentences, and each option once", () => {
    for (const { words, spec } of all) {
      const flags = (spec.options ?? []).flatMap(wordsOf);
      expect([words, new Set(flags).size]).toEqual([words, flags.length]);
      expect([words, spec.summary]).toEqual([words, expect.stringMatching(/^[A-Z].*\.$/) as string]);
      expect([words, spec.examples?.length ?? 0]).not.toEqual([words, 0]);
    }
  });

  it("has an action for every command", async () => {
    for (const { words, spec } of all) expect([words, typeof (await spec.load?.())]).toEqual([words, "function"]);
  });

  it("has examples that parse", () => {
    const wrong = all.flatMap(({ spec }) =>
      (spec.examples ?? []).flatMap((example) => {
        const line = example
          .replace(/^.*jobyard /, "")
          .replace(/\s#.*$/, "")
          .replace(/[|>].*$/, "");
        const problem = problemOf(line);
        return problem === undefined ? [] : [`${line}: ${problem}`];
      }),
    );
    expect(wrong).toEqual([]);
  });

  it("is what help prints", async () => {
    const { stdout } = await runCliHere(["--help"]);
    for (const { name } of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, "m"));
    for (const [code, meaning] of EXIT_MEANINGS) expect(stdout).toContain(`${code}`.padEnd(5) + meaning);
    for (const { words, spec } of all) {
      const help = await runCliHere([...words, "--help"]);
      expect(help.code).toBe(EXIT.done);
      for (const { flags } of spec.options ?? []) expect(help.stdout).toContain(flags);
    }
  });

  it("is in docs/cli.md, with every command, every exit code, and nothing else", async () => {
    const document = await readDocument("cli.md");
    const rows = rowsOf(sectionOf(document, "## Commands"));
    expect(rows.map(([usage = "", text]) => [usage.replaceAll("`", ""), text])).toEqual(
      all.map(({ words, spec }) => [usageOf(words, spec), spec.summary]),
    );
    const codes = rowsOf(sectionOf(document, "## Exit codes")).map(([code, meaning]) => [Number(code), meaning]);
    expect(codes).toEqual(EXIT_MEANINGS.map(([code, meaning]) => [code, meaning]));
    expect(new Set(EXIT_MEANINGS.map(([code]) => code))).toEqual(new Set(Object.values(EXIT)));
  });

  it("accepts every call of jobyard in a document", async () => {
    const folder = join(ROOT, "docs");
    const documents = (await readdir(folder)).filter((name) => name.endsWith(".md")).map((name) => join(folder, name));
    const wrong: string[] = [];
    let count = 0;
    for (const file of [join(ROOT, "README.md"), ...documents]) {
      for (const call of callsIn(await readFile(file, "utf8"))) {
        count++;
        const problem = problemOf(call);
        if (problem !== undefined) wrong.push(`${file}: jobyard ${call}: ${problem}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(count).toBeGreaterThan(20);
  });
});

const usageOf = (words: readonly string[], { arguments: given = [] }: CommandSpec): string =>
  [...words, ...given.map(({ name }) => name)].join(" ");

describe("an unknown word", () => {
  it("gets a suggestion", async () => {
    expect((await runCliHere(["sumbit"])).stderr).toContain("(Did you mean submit?)");
    expect((await runCliHere(["timers", "show", "x", "--tennant", "a"])).stderr).toContain("(Did you mean --tenant?)");
    expect((await runCliHere(["jobs", "x", "--state", "faild"])).stderr).toContain("Allowed choices are");
  });
});

describe("what help loads", () => {
  /** Libraries and files that a file imports when it is loaded, at any depth. */
  async function loadedBy(file: string, seen: Set<string>): Promise<Set<string>> {
    if (seen.has(file)) return seen;
    seen.add(file);
    const source = await readFile(file, "utf8");
    for (const [, clause = "", from = ""] of source.matchAll(/^(?:import|export) ([^;]*?) ?from "([^"]+)";/gms)) {
      if (clause.startsWith("type ")) continue;
      if (from.startsWith(".")) await loadedBy(join(dirname(file), from), seen);
      else seen.add(from);
    }
    return seen;
  }

  it("is only the table and Commander, so that help starts fast", async () => {
    const loaded = await loadedBy(join(ROOT, "runtime/cli/cli.ts"), new Set());
    const libraries = [...loaded].filter((name) => !name.startsWith("/") && !name.startsWith("node:"));
    expect(libraries).toEqual(["commander"]);
    expect([...loaded].filter((name) => name.includes("/runtime/cli/commands/"))).toEqual([]);
    expect(loaded.size).toBeLessThan(40);
  });
});

describe("the package of the command", () => {
  const packageAt = async (folder: string) =>
    JSON.parse(await readFile(join(ROOT, folder, "package.json"), "utf8")) as { version: string; bin?: object };

  it("is not the repository's package, which npx would install before each run", async () => {
    const [root, cli] = await Promise.all([packageAt("."), packageAt("runtime/cli")]);
    expect(root.bin).toBeUndefined();
    expect(cli).toMatchObject({ bin: { jobyard: "jobyard.mjs" }, version: root.version });
  });
});

describe("--version", () => {
  it("is the package's", async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as { version: string };
    expect(await runCliHere(["--version"])).toMatchObject({ code: EXIT.done, stdout: `${version}\n` });
  });
});

describe("completion", () => {
  async function completed(shell: string, ...words: readonly string[]): Promise<readonly string[]> {
    const { stdout, code } = await runCliHere(["completion", shell]);
    expect(code).toBe(EXIT.done);
    const script = `${shell === "zsh" ? stdout.replace(/^autoload.*\n/, "") : stdout}
      COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
      _jobyard
      echo "\${COMPREPLY[*]}"`;
    const ran = spawnSync("bash", ["-c", script, "bash", "jobyard", ...words], { encoding: "utf8" });
    expect(ran.stderr).toBe("");
    return ran.stdout.trim().split(/\s+/).filter(Boolean);
  }

  it.each(["bash", "zsh"])("offers commands, subcommands, options and their choices, for %s", async (shell) => {
    expect(await completed(shell, "su")).toEqual(["submit"]);
    expect(await completed(shell, "timers", "p")).toEqual(["pause"]);
    expect(await completed(shell, "timers", "next", "a.b", "--co")).toEqual(["--count"]);
    expect(await completed(shell, "packages", "--lim")).toEqual(["--limit"]);
    expect(await completed(shell, "submit", "--priority", "h")).toEqual(["high"]);
    expect(await completed(shell, "jobs", "x", "-s", "")).toContain("succeeded");
    expect(await completed(shell, "completion", "z")).toEqual(["zsh"]);
    // For other values the shell's own completion applies.
    expect(await completed(shell, "submit", "--type", "s")).toEqual([]);
  });

  it("offers every option of every command", async () => {
    const { stdout } = await runCliHere(["completion", "bash"]);
    for (const { spec } of all) {
      for (const option of spec.options ?? []) {
        for (const word of wordsOf(option)) expect(stdout).toContain(word);
        if (takesValue(option)) expect(stdout).toContain(` ${wordsOf(option)[0]}`);
      }
    }
  });
});
