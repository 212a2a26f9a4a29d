import { describe, expect, it } from "vitest";
import { PackError } from "../../../../runtime/package/build/problem.ts";
import { scanSources } from "../../../../runtime/package/build/scan.ts";
import { readJobSources } from "../../../../runtime/package/build/source-modules.ts";
import { sourcePackage } from "../../../support/packages/source-package.ts";

const IMPORT = 'import { defineJob } from "jobyard/job";\n';

async function scan(files: Readonly<Record<string, string>>) {
  await using source = await sourcePackage(files);
  return scanSources(source.path, await readJobSources(source.path));
}

async function problemsOf(files: Readonly<Record<string, string>>): Promise<string> {
  const error: unknown = await scan(files).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(PackError);
  return (error as PackError).message;
}

const found = async (text: string, more: Readonly<Record<string, string>> = {}) =>
  (await scan({ "src/a.ts": text, ...more })).jobs.map(({ jobType, exportName }) => [jobType, exportName]);

describe("scanSources", () => {
  const options = '{ jobType: "A", run() {} }';
  it.each([
    ["a default export", `${IMPORT}export default defineJob(${options});`, "default"],
    ["a named export", `${IMPORT}export const job = defineJob(${options});`, "job"],
    ["a constant exported as default", `${IMPORT}const job = defineJob(${options});\nexport default job;`, "default"],
    ["a constant exported in a list", `${IMPORT}const job = defineJob(${options});\nexport { job as other };`, "other"],
    [
      "a constant exported as default in a list",
      `${IMPORT}const job = defineJob(${options});\nexport { job as default };`,
      "default",
    ],
    ["an export under two names", `${IMPORT}export const job = defineJob(${options});\nexport default job;`, "default"],
    ["satisfies", `${IMPORT}export default defineJob(${options} satisfies object) satisfies object;`, "default"],
    [
      "as const and parentheses",
      `${IMPORT}export default (defineJob(({ jobType: "A" as const, run() {} })));`,
      "default",
    ],
    ["type arguments", `${IMPORT}export default defineJob<{ a: number }>(${options});`, "default"],
    [
      "an import under another name",
      `import { defineJob as job } from "jobyard/job";\nexport default job(${options});`,
      "default",
    ],
    [
      "an import of everything",
      `import * as jobyard from "jobyard/job";\nexport default jobyard.defineJob(${options});`,
      "default",
    ],
    [
      "options in a constant",
      `${IMPORT}const options = ${options} as const;\nexport default defineJob(options);`,
      "default",
    ],
    [
      "a constant type",
      `${IMPORT}const TYPE = "A";\nexport default defineJob({ jobType: TYPE, run() {} });`,
      "default",
    ],
    [
      "a shorthand",
      `${IMPORT}const jobType = "A" as const;\nexport default defineJob({ jobType, run() {} });`,
      "default",
    ],
    ["a template", `${IMPORT}const a = "A";\nexport default defineJob({ jobType: \`\${a}\`, run() {} });`, "default"],
    [
      "a property of a constant",
      `${IMPORT}const T = { a: "A" } as const;\nexport default defineJob({ jobType: T.a, run() {} });`,
      "default",
    ],
  ])("the scan finds %s", async (_, text, exportName) => {
    expect(await found(text)).toEqual([["A", exportName]]);
  });

  it("the scan finds job types that are constants of other files", async () => {
    const text = `${IMPORT}import { TYPES as T } from "./names.js";\nexport default defineJob({ jobType: T.first, run() {} });`;
    const more = {
      "src/names.ts": 'import { LETTER } from "../letter.ts";\nexport const TYPES = { first: LETTER + "1" };',
      "letter.ts": 'export const LETTER = "A";',
    };
    expect(await found(text, more)).toEqual([["A1", "default"]]);
  });

  it("the scan finds several jobs, sorted by type, with retry policy and timeout", async () => {
    const { jobs } = await scan({
      "b.js": `${IMPORT}const MINUTE = 60_000;\nexport const b = defineJob({ jobType: "B", timeoutMs: 5 * MINUTE, run() {} });`,
      "a.mjs": `${IMPORT}const retry = { jitter: 0 };\nexport default defineJob({ jobType: "A", retry: { maxAttempts: 7, ...retry }, run() {} });`,
    });
    expect(jobs).toMatchObject([
      {
        jobType: "A",
        retry: { maxAttempts: 7, jitter: 0 },
        file: "a.mjs",
        position: { file: "a.mjs", line: 3, column: 16 },
      },
      { jobType: "B", timeoutMs: 300_000, file: "b.js", exportName: "b" },
    ]);
  });

  it("the scan runs no code, and reads only source files", async () => {
    const job = (type: string) =>
      `${IMPORT}throw new Error("executed");\nexport default defineJob({ jobType: "${type}", run() {} });`;
    const { jobs } = await scan({
      "src/a.ts": job("A"),
      "node_modules/x/index.js": job("X"),
      "dist/a.js": job("A"),
      "test/a.test.ts": job("A"),
      "src/a.test.ts": job("A"),
      "src/a.d.ts": job("A"),
      ".hidden/a.ts": job("A"),
      "src/other.ts":
        'const defineJob = (x) => x; // not from "jobyard/job"\nexport default defineJob({ jobType: "B" });',
      "src/data.json": '{ "from": "jobyard/job" }',
    });
    expect(jobs.map(({ file }) => file)).toEqual(["src/a.ts"]);
  });

  it.each([
    [
      "a type from the environment",
      "export default defineJob({ jobType: process.env.TYPE, run() {} });",
      "src/a.ts:2:37: The jobType of a job must be a constant",
    ],
    [
      "a type that is computed elsewhere",
      "const t = name();\nexport default defineJob({ jobType: t, run() {} });",
      "src/a.ts:2:11: The jobType",
    ],
    [
      "a type that can change",
      'let t = "A";\nexport default defineJob({ jobType: t, run() {} });',
      "src/a.ts:3:37: The jobType",
    ],
    [
      "a type that refers to itself",
      "const t = t + t;\nexport default defineJob({ jobType: t, run() {} });",
      "The jobType of a job must be a constant",
    ],
    [
      "an empty type",
      'export default defineJob({ jobType: "", run() {} });',
      "src/a.ts:2:28: jobType: expected one line of 1 to 200 characters",
    ],
    [
      "a type that is not text",
      "export default defineJob({ jobType: 7, run() {} });",
      "src/a.ts:2:28: jobType: expected a text",
    ],
    ["no type", "export default defineJob({ run() {} });", "src/a.ts:2:26: This job has no jobType."],
    [
      "a misspelt option",
      'export default defineJob({ jobType: "A", timeoutMS: 5, run() {} });',
      'src/a.ts:2:42: defineJob has no option "timeoutMS" (did you mean "timeoutMs"?).',
    ],
    [
      "a misspelt type",
      'export default defineJob({ jobtype: "A", run() {} });',
      'src/a.ts:2:28: defineJob has no option "jobtype" (did you mean "jobType"?).',
    ],
    [
      "an option that belongs to timers",
      'export default defineJob({ jobType: "A", overlap: "skip", run() {} });',
      'defineJob has no option "overlap".',
    ],
    [
      "an unknown method",
      'export default defineJob({ jobType: "A", run() {}, setup() {} });',
      'defineJob has no option "setup".',
    ],
    [
      "a misspelt part of an option",
      'export default defineJob({ jobType: "A", retry: { maxAttempt: 2 }, run() {} });',
      'retry: expected only known fields, not "maxAttempt" (did you mean "maxAttempts"?).',
    ],
    [
      "an option whose name is computed",
      'export default defineJob({ jobType: "A", ["timeout" + "Ms"]: 5, run() {} });',
      "src/a.ts:2:42: Write the name of this option out",
    ],
    [
      "options made elsewhere",
      "export default defineJob(options());",
      "src/a.ts:2:26: defineJob expects an object literal here",
    ],
    ["no options", "export default defineJob();", "src/a.ts:2:16: defineJob expects an object literal here"],
    [
      "options spread in",
      'export default defineJob({ ...rest, jobType: "A" });',
      "src/a.ts:2:28: Write these options out",
    ],
    [
      "a wrong retry policy",
      'export default defineJob({ jobType: "A", retry: { maxAttempts: 0 }, run() {} });',
      "src/a.ts:2:42: retry.maxAttempts: expected a whole number from 1 to 50.",
    ],
    [
      "an unknown retry field",
      'export default defineJob({ jobType: "A", retry: { attempts: 3 }, run() {} });',
      'retry: expected only known fields, not "attempts"',
    ],
    [
      "a timeout that is not a number",
      'export default defineJob({ jobType: "A", timeoutMs: "1h", run() {} });',
      "src/a.ts:2:42: timeoutMs: expected a whole number from 1 to",
    ],
    ["a syntax error", 'export default defineJob({ jobType: "A" run() {} });', "src/a.ts:2:41: ',' expected."],
  ])("the scan reports position and reason for %s", async (_, text, message) => {
    expect(await problemsOf({ "src/a.ts": IMPORT + text })).toContain(message);
  });

  it("the scan reads the limits and the isolation of a job", async () => {
    const text = `${IMPORT}const MiB = 2;
      export default defineJob({ jobType: "A", isolation: "reuse", memoryMb: 64 * MiB, idleTimeoutMs: 5_000, run() {} });`;
    const [job] = (await scan({ "a.ts": text })).jobs;
    expect(job).toMatchObject({ isolation: "reuse", memoryMb: 128, idleTimeoutMs: 5_000 });
    expect(Object.keys(job!)).not.toContain("timeoutMs");
    const wrong = 'export default defineJob({ jobType: "A", isolation: "thread", run() {} });';
    expect(await problemsOf({ "a.ts": IMPORT + wrong })).toContain('isolation: expected "process" or "reuse".');
  });

  it("the scan reports both places of a repeated type, and all problems at once", async () => {
    const job = `${IMPORT}export default defineJob({ jobType: "A", run() {} });`;
    const message = await problemsOf({
      "a.ts": job,
      "b.ts": job,
      "c.ts": `${IMPORT}export default defineJob({ run() {} });`,
    });
    expect(message.split("\n")).toEqual([
      "c.ts:2:26: This job has no jobType.",
      'b.ts:2:16: Job type "A" is declared already, at a.ts:2:16.',
    ]);
  });

  it("the scan warns of jobs that are not exported", async () => {
    const { jobs, warnings } = await scan({
      "a.ts": `${IMPORT}const job = defineJob({ jobType: "A", run() {} });\nexport function make() {\n  return defineJob({ jobType: "B", run() {} });\n}`,
    });
    expect(jobs).toEqual([]);
    expect(warnings.map(({ position }) => position?.line)).toEqual([2, 4]);
    expect(warnings[0]?.message).toContain("declared but not exported");
  });

  it("the scan finds the package's setup, and refuses a second one", async () => {
    const setup = 'import type { Setup } from "jobyard/job";\nexport const setup: Setup = () => ({});';
    const unrelated = "export function setup() {}";
    expect((await scan({ "a.ts": setup, "b.ts": unrelated })).setupFile).toBe("a.ts");
    expect((await scan({ "a.ts": `${IMPORT}export async function setup() {}` })).setupFile).toBe("a.ts");
    expect((await scan({ "b.ts": unrelated })).setupFile).toBeUndefined();
    expect(await problemsOf({ "a.ts": setup, "b.ts": setup })).toBe(
      "b.ts:2:14: A package can have only one setup; the first one is at a.ts:2:14.",
    );
  });

  it("the scan accepts a setup that is exported again from another file", async () => {
    const job = `${IMPORT}export default defineJob({ jobType: "A", run() {} });\n`;
    const setup = 'import type { Setup } from "jobyard/job";\nexport const setup: Setup = () => ({});';
    const plain = "export const setup = () => ({});\nexport const connect = () => ({});";
    const again = 'export { setup } from "./setup.ts";';
    const imported = 'import { setup } from "./setup.ts";\nexport { setup };';
    for (const by of [again, imported]) {
      expect((await scan({ "a.ts": job + by, "setup.ts": setup })).setupFile).toBe("setup.ts");
      expect((await scan({ "z.ts": job + by, "setup.ts": setup })).setupFile).toBe("setup.ts");
      // A file without jobs is found through the file that exports its setup again.
      expect((await scan({ "a.ts": job + by, "setup.ts": plain })).setupFile).toBe("a.ts");
    }
    const renamed = 'export { connect as setup } from "./plain.ts";';
    expect((await scan({ "a.ts": job + renamed, "plain.ts": plain })).setupFile).toBe("a.ts");
    const both = { "a.ts": job + renamed, "plain.ts": plain, "setup.ts": setup };
    expect(await problemsOf(both)).toContain("the first one is at a.ts:3:10");
    const chain = { "a.ts": job + again, "setup.ts": 'export { setup } from "./deep.ts";', "deep.ts": setup };
    expect((await scan(chain)).setupFile).toBe("deep.ts");
  });
});
