import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OUTPUT_MAX_BYTES } from "../../../../../runtime/core/limits.ts";
import type { ProcessResult } from "../../../../../runtime/worker/process/spec.ts";
import { FACTS, HOST_SOURCE, type Lab, createLab, jobSource } from "../lab.ts";

let lab: Lab;
beforeEach(async () => {
  lab = await createLab();
});
afterEach(() => lab.close());

const resultOf = async (...start: Parameters<Lab["start"]>): Promise<ProcessResult> =>
  (await lab.start(...start)).result;

describe("a job that works", () => {
  it("a job gets its facts and directories, and its output is kept as JSON", async () => {
    const attempt = await lab.start(
      `return { output: { job, packagePath, workingPath, outputPath, cwd: process.cwd() } };`,
    );
    const result = await attempt.result;
    const { packagePath, workspace } = attempt.spec;
    expect(result).toMatchObject({ kind: "succeeded" });
    expect(JSON.parse((result as { output: string }).output)).toEqual({
      job: {
        jobId: FACTS.jobId,
        batchId: FACTS.batchId,
        tenantName: FACTS.tenantName,
        jobName: FACTS.jobName,
        jobType: FACTS.jobType,
        parameters: { year: 2026 },
        attempt: 2,
        interruption: 1,
        claimId: FACTS.claimId,
        workerId: FACTS.workerId,
      },
      packagePath,
      workingPath: workspace.workingPath,
      outputPath: workspace.outputPath,
      cwd: workspace.workingPath,
    });
  });

  it("a job runs in a host started from source", async () => {
    const fromSource = await createLab({ hostEntry: HOST_SOURCE });
    const attempt = await fromSource.start("return { output: job.parameters };");
    expect(await attempt.result).toEqual({ kind: "succeeded", output: FACTS.parameters });
    await fromSource.close();
  });

  it("a job may return nothing, or a result without output", async () => {
    expect(await resultOf("")).toEqual({ kind: "succeeded", output: undefined });
    expect(await resultOf("return {};")).toEqual({ kind: "succeeded", output: undefined });
  });

  it("a job can leave files in its output directory", async () => {
    const attempt = await lab.start(`fs.writeFileSync(outputPath + "/report.txt", "done");`);
    await attempt.result;
    expect(await readFile(join(attempt.spec.workspace.outputPath, "report.txt"), "utf8")).toBe("done");
  });

  it("a job is found by its type or by the name of its export", async () => {
    const source = `${jobSource("return { output: 1 };")}
      export const other = defineJob({ jobType: "Other", async run() { return { output: 2 }; } });
      export const setup = undefined;`;
    const job = { ...FACTS, jobType: "Other" };
    expect(await resultOf({ "index.mjs": source }, { job })).toEqual({ kind: "succeeded", output: "2" });
    const entry = { kind: "module", file: "index.mjs", export: "other" } as const;
    expect(await resultOf({ "index.mjs": source }, { job, entry })).toEqual({ kind: "succeeded", output: "2" });
  });

  it("a job gets what the package's setup returned", async () => {
    const before = `export const setup = async ({ packagePath, log }) => { log("setting up"); return { packagePath }; };`;
    const source = jobSource("return { output: services.packagePath === packagePath };", before);
    const attempt = await lab.start({ "index.mjs": source });
    expect(await attempt.result).toEqual({ kind: "succeeded", output: "true" });
    expect(attempt.log()).toContain("setting up");
  });

  it("the log has what a job prints and logs, by source", async () => {
    const attempt = await lab.start(
      `console.log("one\\ntwo"); console.error("oops"); log("three", { a: 1 }); process.stdout.write("no line break");`,
    );
    await attempt.result;
    const lines = attempt.log().split("\n").filter(Boolean);
    expect(lines.every((line) => /^\d{4}-\d\d-\d\dT[\d:.]+Z (out|err|log) /.test(line))).toBe(true);
    const texts = lines.map((line) => line.slice(25)).sort();
    expect(texts).toEqual(["err oops", "log three { a: 1 }", "out no line break", "out one", "out two"]);
  });

  it("output right before the end of a job is in its log", async () => {
    const attempt = await lab.start(`for (let n = 0; n < 20_000; n++) console.log("line", n, "x".repeat(80));`);
    await attempt.result;
    expect(attempt.log()).toContain("line 19999 ");
    expect(attempt.log().split("\n")).toHaveLength(20_001);
  });
});

describe("progress", () => {
  it("progress is merged at its source and ends with the latest", async () => {
    const attempt = await lab.start(`for (let n = 0; n <= 10_000; n++) progress(n / 10_000, "step " + n);`);
    await attempt.result;
    expect(attempt.progress[0]).toEqual({ fraction: 0, text: "step 0" });
    expect(attempt.progress.at(-1)).toEqual({ fraction: 1, text: "step 10000" });
    expect(attempt.progress.length).toBeLessThan(10);
  });

  it("progress may be words only, and invalid progress is ignored", async () => {
    const attempt = await lab.start(
      `progress(NaN); progress(undefined); progress({}); progress("looking\\u0000around");`,
    );
    await attempt.result;
    expect(attempt.progress).toEqual([{ text: "looking around" }]);
  });
});

describe("a job that fails", () => {
  it("a failed job has the message of its error and its stack, which the log has too", async () => {
    const attempt = await lab.start(`throw new TypeError("no ledger");`);
    expect(await attempt.result).toMatchObject({
      kind: "failed",
      code: "JobFailed",
      message: "TypeError: no ledger",
      stack: expect.stringMatching(/^at Object.run \(index.mjs:9:11\)/) as string,
      retryable: true,
    });
    expect(attempt.log()).toMatch(/err .*TypeError: no ledger\n.* err {5}at /);
  });

  it("a non-retryable error is not retried", async () => {
    const expected = { kind: "failed", code: "JobFailed", message: "never", retryable: false };
    expect(await resultOf(`throw new NonRetryableError("never");`)).toMatchObject(expected);
  });

  it.each([
    ["a string", `throw "just words";`, "just words"],
    ["undefined", `throw undefined;`, "Thrown: undefined"],
    ["an object that bites", `throw { get message() { throw 1; }, toString() { throw 2; } };`, /^Thrown: /],
    [
      "an error that bites",
      `throw Object.defineProperty(new Error(), "message", { get() { throw 1; } });`,
      /cannot be shown/,
    ],
    ["a very long message", `throw new Error("x".repeat(1e6));`, /^x{2000}$/],
  ])("may throw %s", async (_, body, message) => {
    expect(await resultOf(body)).toMatchObject({
      kind: "failed",
      code: "JobFailed",
      message: typeof message === "string" ? message : (expect.stringMatching(message) as string),
      retryable: true,
    });
  });

  it("an unhandled rejection and an uncaught exception fail the job", async () => {
    const expected = { kind: "failed", code: "JobFailed", message: "lost", retryable: true };
    expect(await resultOf(`Promise.reject(new Error("lost")); await delay(60_000);`)).toMatchObject(expected);
    expect(await resultOf(`setTimeout(() => { throw new Error("lost"); }, 1); await delay(60_000);`)).toMatchObject(
      expected,
    );
  });

  it("a rejection left behind before the return fails the job", async () => {
    const left = 'Promise.reject(new Error("lost"));';
    const expected = { kind: "failed", code: "JobFailed", message: "lost", retryable: true };
    expect(await resultOf(`${left} return { output: 1 };`)).toMatchObject(expected);
    expect(await resultOf(`delay(1).then(() => { throw new Error("lost"); }); await delay(20);`)).toMatchObject(
      expected,
    );
    expect(await resultOf(`const p = ${left} p.catch(() => {}); return { output: 1 };`)).toMatchObject({ output: "1" });
    expect(await resultOf(`${left} throw new Error("own");`)).toMatchObject({ ...expected, message: "own" });
  });

  it.each([
    [
      "a cause",
      `throw new Error("no report", { cause: new TypeError("no ledger") });`,
      "no report (TypeError: no ledger)",
    ],
    [
      "what an AggregateError gathers",
      `await Promise.any([Promise.reject(new Error("a")), Promise.reject(new RangeError("b"))]);`,
      "AggregateError: All promises were rejected (a; RangeError: b)",
    ],
    ["why fetch failed", `await fetch("http://127.0.0.1:1");`, /^TypeError: fetch failed \(.*(bad port|ECONNREFUSED)/],
    ["a cause that its message names already, once", `throw new Error("x: y", { cause: new Error("y") });`, "x: y"],
    ["a cause that is a text", `throw new Error("x", { cause: "y" });`, "x (y)"],
    ["causes of causes", `throw new Error("1", { cause: new Error("2", { cause: new Error("3") }) });`, "1 (2 (3))"],
    [
      "causes in a circle",
      `const a = new Error("a"); a.cause = new Error("b", { cause: a }); throw a;`,
      /^a \(b \([ab() ]*\)+$/,
    ],
    [
      "some of a thousand",
      `throw new AggregateError(Array.from({ length: 1000 }, (_, n) => new Error("e" + n)), "all");`,
      "AggregateError: all (e0; e1; e2; e3; e4; and 995 more)",
    ],
  ])("says %s", async (_, body, message) => {
    const text = typeof message === "string" ? message : (expect.stringMatching(message) as string);
    expect(await resultOf(body)).toMatchObject({ kind: "failed", message: text });
  });

  it("a job that waits for something impossible fails", async () => {
    const result = await resultOf("await new Promise(() => {});");
    expect(result).toMatchObject({ kind: "failed", code: "JobFailed", retryable: true });
    expect(result).toHaveProperty("message", expect.stringContaining("can no longer happen"));
  });

  it.each([
    ["exit(0) before a result", "process.exit(0);", "exit code 0"],
    ["an exit code", "process.exit(7);", "exit code 7"],
    ["a signal", `process.kill(process.pid, "SIGSEGV"); for (;;);`, "SIGSEGV"],
    ["abort", "process.abort();", "SIGABRT"],
  ])("a job has crashed after %s", async (_, body, how) => {
    const result = await resultOf(body);
    expect(result).toMatchObject({ kind: "failed", code: "JobCrashed", retryable: true });
    expect(result).toHaveProperty("message", expect.stringContaining(how));
  });

  it("a job with a full heap is out of memory, and other jobs go on", async () => {
    const small = await createLab({ nodeArgs: ["--max-old-space-size=20"] });
    const attempt = await small.start(`const kept = []; for (;;) kept.push({ n: [Math.random()] });`);
    expect(await attempt.result).toMatchObject({ kind: "failed", code: "JobOutOfMemory", retryable: true });
    await small.close();
  });
});

describe("output", () => {
  it("output above the limit fails the job and its size is named", async () => {
    const result = await resultOf(`return { output: "x".repeat(${OUTPUT_MAX_BYTES}) };`);
    expect(result).toMatchObject({ kind: "failed", code: "OutputTooLarge", retryable: false });
    expect(result).toHaveProperty("message", expect.stringContaining(`${OUTPUT_MAX_BYTES + 2} bytes`));
  });

  it("output of exactly the limit is kept, even if it is escaped", async () => {
    const result = await resultOf(`return { output: '"\\\\'.repeat(${OUTPUT_MAX_BYTES / 4}).slice(2) + "ab" };`);
    expect(result).toMatchObject({ kind: "succeeded" });
    expect((result as { output: string }).output).toHaveLength(OUTPUT_MAX_BYTES);
  });

  it.each([
    ["a circle", "const a = {}; a.a = a; return { output: a };", "cannot be written as JSON"],
    ["a bigint", "return { output: 1n };", "cannot be written as JSON"],
    ["not an object", "return 42;", "run returned a number"],
    ["a list", "return [1, 2];", "run returned a list; a result is returned as { output: … }."],
    ["an empty list", "return [];", "run returned a list;"],
    ["an object without output", "return { count: 5 };", 'run returned an object with "count";'],
    ["more than output", "return { output: 1, Output: 2 };", 'run returned an object with "Output";'],
    ["an answer", 'return new Response("x");', "run returned a value of type Response;"],
    ["a Map", "return new Map([[1, 2]]);", "run returned a value of type Map;"],
    ["an error that was not thrown", 'return new Error("no");', "run returned a value of type Error;"],
    ["NaN", "return { output: { rate: 0 / 0 } };", "The output holds rate: NaN cannot be written as JSON."],
    ["a forgotten await", "return { output: { rows: delay(1) } };", "holds rows: a value of type Promise"],
    ["a function", "return { output: () => 1 };", "The output cannot be written as JSON: a function."],
  ])("output that is %s fails the job for good", async (_, body, message) => {
    const result = await resultOf(body);
    expect(result).toMatchObject({ kind: "failed", code: "JobFailed", retryable: false });
    expect(result).toHaveProperty("message", expect.stringContaining(message));
  });
});

describe("a package that cannot be run", () => {
  it.each([
    ["has no such module", { "other.mjs": "" }, "EntryPointInvalid", "index.mjs could not be loaded"],
    ["has a syntax error", { "index.mjs": "export default {" }, "EntryPointInvalid", "SyntaxError"],
    ["imports what is not there", { "index.mjs": `import "not-there";` }, "EntryPointInvalid", "not-there"],
    ["throws while loading", { "index.mjs": `throw new Error("at load");` }, "EntryPointInvalid", "at load"],
    [
      "never finishes loading",
      { "index.mjs": `await new Promise(() => {});` },
      "EntryPointInvalid",
      "no longer happen",
    ],
    ["exports no job", { "index.mjs": "export default { run() {} };" }, "EntryPointInvalid", "defineJob"],
    [
      "does not declare the type",
      { "index.mjs": jobSource("").replaceAll('"Sample"', '"Elsewhere"') },
      "JobTypeUnknown",
      "only: Elsewhere",
    ],
  ])("%s: not tried again", async (_, files, code, message) => {
    const result = await resultOf(files);
    expect(result).toMatchObject({ kind: "failed", code, retryable: false });
    expect(result).toHaveProperty("message", expect.stringContaining(message));
  });

  it("a setup that throws fails the job and can be retried", async () => {
    const source = jobSource("", `export const setup = () => { throw new Error("no database"); };`);
    const expected = { kind: "failed", code: "JobFailed", message: "no database", retryable: true };
    expect(await resultOf({ "index.mjs": source })).toMatchObject(expected);
  });

  it("a machine that cannot start a process does not fail the job", async () => {
    const broken = await createLab({ nodePath: "/nowhere/node" });
    const attempt = await broken.start("");
    expect(await attempt.result).toMatchObject({ kind: "not-started" });
    await broken.close();
    const noHost = await createLab({ hostEntry: join(lab.root, "no-host.mjs") });
    expect(await (await noHost.start("")).result).toMatchObject({ kind: "not-started" });
    await noHost.close();
  });
});
