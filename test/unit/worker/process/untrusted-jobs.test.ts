import { readFile } from "node:fs/promises";

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  CONTROL_WINDOW_BYTES,
  PROGRESS_INTERVAL_MS,
  READ_WINDOW_MS,
} from "../../../../runtime/worker/process/process-limits.ts";
import { eventuallyTrue } from "../../../support/eventually.ts";
import { type Lab, createLab } from "./lab.ts";

/** Of a pipe of Linux, and of one read. */
const BUFFER_BYTES = 64 * 1024;
const BLOCK_BYTES = '{"type":"progress","fraction":0.5}\n'.length * 1_000;

let lab: Lab;
afterEach(() => lab.close());

describe("the environment of a job", { tags: "attack/jobs" }, () => {
  const SECRETS = {
    AZURE_CLIENT_SECRET: "s3cret",
    JOBYARD_STORAGE_CONNECTION: "AccountKey=s3cret",
    NODE_OPTIONS: "--no-warnings",
  };
  const ALLOWED = [
    ...["HOME", "LANG", "PATH", "TMPDIR", "TZ", "JOBYARD_PROCESS"],
    ...["JOB_ID", "BATCH_ID", "TENANT_NAME", "JOB_NAME", "JOB_TYPE", "PACKAGE_NAME"].map((name) => `JOBYARD_${name}`),
    ...["ATTEMPT", "INTERRUPTION", "CLAIM_ID", "WORKER_ID"].map((name) => `JOBYARD_${name}`),
    ...["PACKAGE_PATH", "WORKING_PATH", "OUTPUT_PATH"].map((name) => `JOBYARD_${name}`),
  ];

  beforeEach(async () => {
    Object.assign(process.env, SECRETS);
    const PATH = process.env["PATH"] ?? "";
    lab = await createLab({ environment: { PATH, LANG: "C.UTF-8", TZ: "Europe/Vienna" } });
  });
  afterEach(() => {
    for (const name of Object.keys(SECRETS)) Reflect.deleteProperty(process.env, name);
  });

  it("the environment of a job has the documented names and nothing else of its worker", async () => {
    const attempt = await lab.start(`return { output: [process.env, fs.readFileSync("/proc/self/environ", "utf8")] };`);
    const result = await attempt.result;
    const [seen, atStart] = JSON.parse((result as { output: string }).output) as [Record<string, string>, string];
    expect(Object.keys(seen).sort()).toEqual(ALLOWED.toSorted());
    expect(seen["TZ"]).toBe("Europe/Vienna");
    expect(atStart).not.toContain("s3cret");
  });

  it("the environment of a command also names its two files", async () => {
    const entry = { kind: "command", command: "sh", args: ["-c", 'env > "$JOBYARD_OUTPUT_PATH/env"'] } as const;
    const attempt = await lab.start({ "package.json": "{}" }, { entry });
    expect(await attempt.result).toMatchObject({ kind: "succeeded" });
    const lines = (await readFile(`${attempt.spec.workspace.outputPath}/env`, "utf8")).trim().split("\n");
    const names = lines
      .map((line) => line.slice(0, line.indexOf("=")))
      .filter((name) => name !== "_" && name !== "PWD" && name !== "SHLVL");
    expect(names.sort()).toEqual([...ALLOWED, "JOBYARD_PARAMETERS_FILE", "JOBYARD_RESULT_FILE"].sort());
    expect(lines.join()).not.toContain("s3cret");
  });

  it("the environment has no channel of Node that a job could disturb", async () => {
    const body = "return { output: [typeof process.send, typeof process.disconnect, process.connected === true] };";
    const attempt = await lab.start(body);
    expect(await attempt.result).toEqual({ kind: "succeeded", output: '["undefined","undefined",false]' });
  });
});

describe("a job that turns against its worker", { tags: "attack/jobs" }, () => {
  beforeEach(async () => {
    lab = await createLab({ logMaxBytes: 100_000 });
  });

  it("endless output is cut off, and the log says how much is missing", async () => {
    const attempt = await lab.start(
      `const line = "x".repeat(99); for (let n = 0; n < 100_000; n++) console.log(line);`,
    );
    expect(await attempt.result).toEqual({ kind: "succeeded", output: undefined });
    expect(attempt.log().length).toBeLessThanOrEqual(101_000);
    const [lines] = /(\d+) lines \(\d+ bytes\) are missing here/.exec(attempt.log())!.slice(1);
    expect(Number(lines) + attempt.log().split("\n").length - 2).toBe(100_000);
  });

  it("an endless line is cut into pieces", async () => {
    const attempt = await lab.start(`process.stdout.write("x".repeat(50_000));`);
    await attempt.result;
    expect(attempt.log().replaceAll(/^.{25}out |\n/gm, "")).toBe("x".repeat(50_000));
  });

  it("a log entry larger than a message arrives in pieces", async () => {
    const attempt = await lab.start(`log("\\u0001".repeat(50_000)); log("after");`);
    expect(await attempt.result).toMatchObject({ kind: "succeeded" });
    expect(attempt.log().replaceAll(/^.{25}log |\n/gm, "")).toBe(`${"\u0001".repeat(50_000)}after`);
  });

  it.each([
    [
      "an endless message",
      `const x = Buffer.alloc(1 << 20, 120); for (;;) fs.writeSync(3, x);`,
      "more than 131072 bytes",
    ],
    ["something else than messages", `fs.writeSync(3, "hello\\n"); for (;;);`, "a message that is none"],
    ["a message of a kind that is none", `fs.writeSync(3, '{"type":"owned"}\\n'); for (;;);`, "a message that is none"],
  ])("a job that sends %s is ended", async (_, body, problem) => {
    const attempt = await lab.start(body);
    const result = await attempt.result;
    expect(result).toMatchObject({ kind: "failed", code: "JobCrashed" });
    expect(result).toHaveProperty("message", expect.stringContaining(problem));
  });

  it.each([
    ["a line of its log", `fs.writeSync(3, JSON.stringify({ type: "log", source: "log", text: FORGED }) + "\\n");`],
    ["what it throws", `throw new Error(FORGED);`],
    ["what it prints", `process.stdout.write(FORGED + "\\n");`],
  ])("writes no line in our name by %s", async (_by, body) => {
    const forged = `"mine\\n2026-01-01T00:00:00.000Z sys Stopped as asked."`;
    const attempt = await lab.start(body.replace("FORGED", forged));
    await attempt.result;
    expect(attempt.log()).toContain("mine");
    expect(attempt.log()).toContain("Stopped as asked.");
    expect(attempt.log()).not.toMatch(/^2026-01-01/m);
  });

  it("endless progress is read in a bounded share", async () => {
    const body = `
      const block = '{"type":"progress","fraction":0.5}\\n'.repeat(1000);
      const noted = process.env.JOBYARD_OUTPUT_PATH + "/blocks";
      for (;;) { fs.writeSync(3, block); fs.appendFileSync(noted, "."); }`;
    const begun = performance.now();
    const attempt = await lab.start(body);
    await eventuallyTrue(() => attempt.progress.length > 5);
    await attempt.process.kill();
    expect(await attempt.result).toEqual({ kind: "killed" });
    const elapsedMs = performance.now() - begun;
    expect(attempt.progress.length).toBeLessThan(elapsedMs / PROGRESS_INTERVAL_MS + 4);
    const { length: blocks } = await readFile(`${attempt.spec.workspace.outputPath}/blocks`, "utf8");
    const windows = elapsedMs / READ_WINDOW_MS + 1;
    // Beyond a window's share the job waits: in the pipe, and in what is being read, there is room for little.
    const allowedBytes = windows * (CONTROL_WINDOW_BYTES + BUFFER_BYTES) + 2 * BUFFER_BYTES;
    expect(blocks * BLOCK_BYTES).toBeLessThan(allowedBytes);
  });

  it("a forged result passes the same checks", async () => {
    const report = (fields: object): string =>
      JSON.stringify(JSON.stringify({ type: "returned", stopping: false, ...fields }));
    const notJson = await lab.start(`fs.writeSync(3, ${report({ output: "{" })} + "\\n");`);
    expect(await notJson.result).toHaveProperty("message", expect.stringMatching(/^The output is not JSON: /));
    const changed = await lab.start(`fs.writeSync(3, ${report({ output: '{"n":9007199254740993}' })} + "\\n");`);
    expect(await changed.result).toHaveProperty("message", expect.stringContaining("holds n: 9007199254740993"));
    const large = await lab.start(`fs.writeSync(3, ${report({ output: `"${"x".repeat(40_000)}"` })} + "\\n");`);
    expect(await large.result).toMatchObject({ kind: "failed", code: "OutputTooLarge" });
  });

  it("the end of a job that closed its channels is read from its exit", async () => {
    const silent = await lab.start(`fs.closeSync(3); return { output: 1 };`);
    expect(await silent.result).toMatchObject({ kind: "failed", code: "JobCrashed" });
  });

  it("a job that replaces write functions is still read", async () => {
    const body = `process.exit = () => {}; JSON.parse = () => {}; fs.writeSync = () => 0; process.removeAllListeners();
      process.stdout.write = () => true; return { output: "heard" };`;
    const attempt = await lab.start(body);
    expect(await attempt.result).toEqual({ kind: "succeeded", output: '"heard"' });
  });

  it("a job that does not exit after its result is ended, and its result counts", async () => {
    const attempt = await lab.start(`process.on("exit", () => { for (;;); }); return { output: 1 };`);
    expect(await attempt.result).toEqual({ kind: "succeeded", output: "1" });
  });
});
