import { execFile, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const packagePath = join(import.meta.dirname, "..");
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "log-summary-"));
  for (const name of ["tmp", "output"]) await mkdir(join(directory, name));
});
afterEach(() => rm(directory, { recursive: true }));

interface Ran {
  readonly exitCode: number;
  readonly lines: readonly string[];
  readonly error: string;
}

/** The program needs awk, which nearly every system has. */
const hasAwk = spawnSync("sh", ["-c", "awk 'BEGIN { exit }'"]).status === 0;

/** Runs the program as a worker does, with its parameters as JSON text and a minimal environment. */
async function run(parameters: string): Promise<Ran> {
  const parametersFile = join(directory, "parameters.json");
  await writeFile(parametersFile, parameters);
  const env = {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    TMPDIR: join(directory, "tmp"),
    JOBYARD_PACKAGE_PATH: packagePath,
    JOBYARD_OUTPUT_PATH: join(directory, "output"),
    JOBYARD_PARAMETERS_FILE: parametersFile,
    JOBYARD_RESULT_FILE: join(directory, "result.json"),
  };
  return new Promise((resolve) => {
    const child = execFile(join(packagePath, "bin/log-summary.sh"), { env, cwd: directory }, (_, stdout, stderr) =>
      resolve({ exitCode: child.exitCode ?? -1, lines: stdout.trimEnd().split("\n"), error: stderr.trimEnd() }),
    );
  });
}

const output = async (): Promise<unknown> => JSON.parse(await readFile(join(directory, "result.json"), "utf8"));
const report = () => readFile(join(directory, "output/log-summary.md"), "utf8");

async function logFile(name: string, lines: readonly string[]): Promise<string> {
  await writeFile(join(directory, name), lines.map((line) => `${line}\n`).join(""));
  return JSON.stringify({ log: join(directory, name) });
}

describe.skipIf(!hasAwk)("LogSummary (needs awk)", () => {
  it("summarises the shipped log: the bad hour stands out", async () => {
    const { exitCode, lines, error } = await run('{"log":"webshop-log.txt","top":2}');
    expect([exitCode, error]).toEqual([0, ""]);
    expect(await output()).toEqual({
      log: "webshop-log.txt",
      lines: 1223,
      continuationLines: 74,
      firstHour: "2026-03-02 00:00",
      lastHour: "2026-03-03 23:00",
      busiestHour: "2026-03-03 14:00",
      levels: { DEBUG: 239, INFO: 751, WARN: 85, ERROR: 74 },
      frequent: [
        { count: 37, message: "ERROR checkout: Payment of order # failed: connection reset" },
        { count: 37, message: "ERROR mail: Address of customer # was rejected" },
      ],
    });
    expect(await report()).toContain("| 2026-03-03 14:00 | 8 | 18 | 26 | 38 |\n");
    expect(await report()).toContain("| **Sum** | **239** | **751** | **85** | **74** |\n");
    expect(lines.every((line) => line.startsWith("::progress "))).toBe(true);
    const fractions = lines.map((line) => Number(line.split(" ")[1]));
    expect(fractions.length).toBeGreaterThan(20);
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
    expect([fractions.at(0), fractions.at(-1)]).toEqual([0, 1]);
  });

  it("counts by hour in any order, and counts messages together that differ only in numbers", async () => {
    const log = await logFile("a b=1.log", [
      "2026-01-01T10:59:59Z ERROR Timeout after 31 ms",
      "  at a line of its own",
      "2025-12-31 23:00:00.123 WARN Disk at 91%",
      "2026-01-01T10:00:00Z ERROR Timeout after 7 ms",
      "2026-01-01T10:00:00Z [main] INFO Ready",
    ]);
    expect((await run(log)).exitCode).toBe(0);
    expect(await output()).toMatchObject({
      lines: 5,
      continuationLines: 1,
      firstHour: "2025-12-31 23:00",
      lastHour: "2026-01-01 10:00",
      levels: { DEBUG: 0, INFO: 1, WARN: 1, ERROR: 2 },
      frequent: [
        { count: 2, message: "ERROR Timeout after # ms" },
        { count: 1, message: "WARN Disk at #%" },
      ],
    });
  });

  it("writes valid JSON for any log", async () => {
    const log = await logFile('"q\\n".log', [
      `2026-01-01T00:00:00Z ERROR a "quoted" \\n back\\slash\t& tab \u0001`,
      `2026-01-01T00:00:00Z WARN ${"ü".repeat(200)}`,
    ]);
    expect((await run(log)).exitCode).toBe(0);
    expect(await output()).toMatchObject({
      log: join(directory, '"q\\n".log'),
      frequent: [
        { message: 'ERROR a "quoted" \\n back\\slash & tab  ' },
        { message: expect.stringMatching(/^WARN ü{79,80}\.\.\.$/) as string },
      ],
    });
  });

  it("reads its parameters from any JSON object", async () => {
    const parameters = String.raw`{ "other": {"log": "no", "list": ["}", {"log": 1}]}, "text": "\"log\": \\",
      "log"
      : "w\u0065bshop-log\u002Etxt", "top": "3", "none": null, "number": -1.5e3 }`;
    expect((await run(parameters)).exitCode).toBe(0);
    expect((await output()) as { frequent: unknown[] }).toHaveProperty("frequent.length", 3);
  });

  it.each([
    ["{}", "log: expected the name of a log."],
    ['{"log":null}', "log: expected the name of a log."],
    ['{"log":["webshop-log.txt"]}', "log: expected text or a number."],
    ['{"log":"none.log"}', "log: there is no file none.log."],
    [String.raw`{"log":"d\u00e9j\u00e0 \ud83d\ude00 \"\\.log"}`, 'log: there is no file déjà 😀 "\\.log.'],
    ['{"log":"/tmp"}', "log: /tmp cannot be read."],
    ['{"log":"webshop-log.txt","top":0}', "top: expected a whole number from 1 to 50, not 0."],
    ['{"log":"webshop-log.txt","top":51}', "top: expected a whole number from 1 to 50, not 51."],
    ['{"log":"webshop-log.txt","top":"1; ls"}', "top: expected a whole number from 1 to 50, not 1; ls."],
    ['{"log":"../package.json"}', "log: ../package.json has no line that begins with a time and a level."],
    ['["webshop-log.txt"]', "The parameters must be an object."],
    [`{"log":"${"x".repeat(70_000)}"}`, "The parameters have more than 65536 bytes."],
  ])("exits with 65 for %j", async (parameters, message) => {
    const { exitCode, error } = await run(parameters);
    expect([exitCode, error]).toEqual([65, message]);
    expect((await readdir(directory, { recursive: true })).sort()).toEqual(["output", "parameters.json", "tmp"]);
  });
});
