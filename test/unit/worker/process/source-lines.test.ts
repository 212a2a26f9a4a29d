/** Stacks of packed jobs: positions in the source, nothing of ours, nothing of this machine. */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FAILURE_STACK_MAX_FRAMES, FAILURE_STACK_MAX_LENGTH } from "../../../../runtime/core/limits.ts";
import { packPackage } from "../../../../runtime/package/build/pack.ts";
import type { ProcessResult, SharedPackage } from "../../../../runtime/worker/process/spec.ts";
import { unpackPackage } from "../../../../runtime/worker/package-cache/unpack.ts";
import { sourcePackage } from "../../../support/packages/source-package.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";
import { type Lab, createLab } from "./lab.ts";

let lab: Lab;
beforeEach(async () => (lab = await createLab()));
afterEach(() => lab.close());

type Files = Readonly<Record<string, string>>;

/** The body begins in line 4. */
const jobThat = (body: string, imports = ""): string =>
  [
    `import { defineJob, NonRetryableError } from "jobyard/job"; ${imports}`,
    `interface Sums { readonly of: number }`,
    `export default defineJob({ jobType: "Sample", async run(job, { log, signal }) {`,
    body,
    `} });`,
  ].join("\n");

async function zipOf(files: Files): Promise<Uint8Array> {
  await using source = await sourcePackage(files);
  return (await packPackage({ directory: source.path, target: LINUX })).zip;
}

const LINUX = { os: "linux", arch: "x64", libc: "glibc" } as const;

interface Outcome {
  readonly result: Extract<ProcessResult, { kind: "failed" }>;
  readonly log: string;
  readonly packagePath: string;
}

const ENTRY = { kind: "module", file: "src/a.mjs" } as const;

/** Packs the files and runs the job of src/a.ts. */
async function fail(files: Files | string, isolation: "process" | "reuse" = "process"): Promise<Outcome> {
  const zip = await zipOf(typeof files === "string" ? { "src/a.ts": jobThat(files) } : files);
  const attempt =
    isolation === "process" ? await startAlone(zip) : await lab.share(sharedOf(zip), "x", { entry: ENTRY });
  const result = await attempt.result;
  if (result.kind !== "failed") throw new Error(`The job ended as ${JSON.stringify(result)}.`);
  const { spec } = attempt;
  return { result, log: attempt.log(), packagePath: spec.shared === undefined ? spec.packagePath : lab.root };
}

async function startAlone(zip: Uint8Array) {
  await using unpacked = await temporaryDirectory();
  return await lab.start(await filesOf(zip, unpacked.path), { entry: ENTRY });
}

async function filesOf(zip: Uint8Array, root: string): Promise<Record<string, string>> {
  const directory = join(root, "unpacked");
  await unpackPackage({ bytes: zip, directory });
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const texts = await Promise.all(paths.map((path) => readFile(path, "utf8")));
  return Object.fromEntries(paths.map((path, index) => [path.slice(directory.length + 1), texts[index] ?? ""]));
}

const sharedOf = (zip: Uint8Array): SharedPackage => ({
  hash: "packed",
  async copyTo(directory) {
    await unpackPackage({ bytes: zip, directory });
  },
});

const SUMS = `// A comment that the bundle does not have.

export interface Row { readonly amount: number }

/** Adds. */
export function sum(rows: readonly Row[]): number {
  let total = 0;
  for (const row of rows) total += check(row);
  return total;
}

const check = ({ amount }: Row): number => {
  if (amount < 0) throw new RangeError("negative amount");
  return amount;
};
`;

const SUMMING: Files = {
  "src/a.ts": jobThat(`  await null;\n  return { output: sum([{ amount: -1 }]) };`, `import { sum } from "./sums.ts";`),
  "src/sums.ts": SUMS,
};
const FRAMES = ["at check (src/sums.ts:13:25)", "at sum (src/sums.ts:8:36)", "at Object.run (src/a.ts:5:20)"];

describe.each(["process", "reuse"] as const)("a failure of a job with isolation %s", (isolation) => {
  it("has the lines of the source in its stack and in the log, and no frame of Node or Jobyard", async () => {
    const { result, log, packagePath } = await fail(SUMMING, isolation);
    expect(result).toMatchObject({ code: "JobFailed", message: "RangeError: negative amount" });
    expect(result.stack?.split("\n")).toEqual(FRAMES);
    for (const frame of FRAMES.slice(0, 2)) expect(log).toContain(frame);
    expect(log).not.toMatch(/node:|host\.cjs|jobyard:job/);
    expect(log + (result.stack ?? "")).not.toContain(packagePath);
  });

  it("has them for an error nobody catches", async () => {
    const { result } = await fail(
      `  setTimeout(() => {\n    throw new Error("late");\n  }, 1);\n  await new Promise((go) => setTimeout(go, 60_000));`,
      isolation,
    );
    expect(result).toMatchObject({ message: "late", stack: expect.stringMatching(/src\/a\.ts:5:11/) as string });
  });

  it("has them for an error at import", async () => {
    const { result } = await fail({ ...SUMMING, "src/sums.ts": `${SUMS}\nthrow new Error("no tables");\n` }, isolation);
    expect(result).toMatchObject({ code: "EntryPointInvalid", stack: "at src/sums.ts:17:7" });
    expect(result.message).toBe("src/a.mjs could not be loaded: no tables");
  });

  it("has them in what the job itself prints and in the causes of its error", async () => {
    const { log } = await fail(
      [
        `  const inner = new TypeError("inner");`,
        `  console.error(inner);`,
        `  log(new AggregateError([inner, new Error("second")], "several"));`,
        `  throw new Error("outer", { cause: inner });`,
      ].join("\n"),
      isolation,
    );
    expect(log).toContain("[cause]: TypeError: inner");
    expect(log.match(/src\/a\.ts:4:17/g)?.length).toBe(3);
    expect(log).toMatch(/src\/a\.ts:6:34/);
    expect(log).toMatch(/src\/a\.ts:7:9/);
    expect(log).not.toMatch(/a\.mjs:\d/);
  });
});

describe("the stack of a failure", () => {
  it("names the file of a library and not a line of the bundle", async () => {
    const { result } = await fail({
      "src/a.ts": jobThat(`  return { output: divide(0) };`, `import { divide } from "ratio";`),
      "node_modules/ratio/package.json": `{ "name": "ratio", "version": "1.0.0", "main": "lib/index.js" }`,
      "node_modules/ratio/lib/index.js": `exports.divide = function divide(by) {\n  if (by === 0) throw new Error("zero");\n};`,
    });
    expect(result.stack?.split("\n").slice(0, 2)).toEqual([
      "at divide (node_modules/ratio/lib/index.js)",
      "at Object.run (src/a.ts:4:20)",
    ]);
  });

  it("has the lines of code that several jobs share", async () => {
    const { result } = await fail({
      ...SUMMING,
      "src/b.ts": SUMMING["src/a.ts"]?.replace(`"Sample"`, `"Other"`) ?? "",
    });
    expect(result.stack?.split("\n").slice(0, 2)).toEqual(FRAMES.slice(0, 2));
  });

  it("shows native functions where they were called", async () => {
    const { result } = await fail(`  return { output: JSON.parse("{") };`);
    expect(result.stack?.split("\n").slice(0, 2)).toEqual([
      "at JSON.parse (<anonymous>)",
      "at Object.run (src/a.ts:4:25)",
    ]);
  });

  it("is absent for a thrown value that is no error", async () => {
    const { result } = await fail(`  throw "just words";`);
    expect(result).toEqual({ kind: "failed", code: "JobFailed", message: "just words", retryable: true });
  });

  it("leaves out lines of the message that look like frames", async () => {
    const { result } = await fail(`  throw new Error("top\\n    at secret (card:4:1)");`);
    expect(result.stack).toBe("at Object.run (src/a.ts:4:9)");
  });

  it("removes the folder of the package from messages", async () => {
    const { result } = await fail(`  await import(["./absent", "mjs"].join("."));`);
    expect(result.message).toMatch(/Cannot find module '?src\/absent\.mjs'? imported from '?src\/a\.mjs/);
  });

  it("shows a package without source maps as it is, relative to its folder", async () => {
    const source = `export default { run() {} };\nthrow new Error("plain");`;
    const attempt = await lab.start({ "index.mjs": source });
    expect(await attempt.result).toMatchObject({ stack: "at index.mjs:2:7" });
  });
});

describe("the stack of a hostile job", { tags: "attack/jobs" }, () => {
  it("is limited in frames and length, and so is the log of the error", async () => {
    const { result, log } = await fail(
      [
        `  Error.stackTraceLimit = Infinity;`,
        `  const deep = (n: number): never => { if (n > 0) return deep(n - 1); throw new Error("deep"); };`,
        `  deep(5_000);`,
      ].join("\n"),
    );
    expect(result.stack?.split("\n")).toHaveLength(FAILURE_STACK_MAX_FRAMES);
    expect(log.length).toBeLessThan(200_000);
    const long = await fail(
      `  throw Object.assign(new Error("x"), { stack: "Error: x\\n    at " + "y".repeat(50_000_000) });`,
    );
    expect(long.result.stack).toBeUndefined();
    expect(long.log.length).toBeLessThan(200_000);
    const many = await fail(
      `  throw Object.assign(new Error("x"), { stack: "Error: x" + ("\\n    at " + "z".repeat(900)).repeat(20) });`,
    );
    expect(many.result.stack?.length).toBe(FAILURE_STACK_MAX_LENGTH);
  });

  it.each([
    ["formats stacks itself", `Error.prepareStackTrace = () => "mine"; throw new Error("bad");`],
    ["formats stacks as objects", `Error.prepareStackTrace = () => ({ at: 1 }); throw new Error("bad");`],
    ["throws while stacks are formatted", `Error.prepareStackTrace = () => { throw 1; }; throw new Error("bad");`],
    ["has a stack that bites", `throw Object.defineProperty(new Error("bad"), "stack", { get() { throw 1; } });`],
    ["has a stack that is no text", `throw Object.assign(new Error("bad"), { stack: 7 });`],
    [
      "breaks its own map",
      `const { writeFileSync } = await import("node:fs");
       writeFileSync(new URL(import.meta.url), "//# sourceMappingURL=data:application/json;base64,bnVsbA==");
       throw new Error("bad");`,
    ],
  ])("fails with its own message when it %s", async (_, body) => {
    const { result } = await fail(body);
    expect(result).toMatchObject({ code: "JobFailed", message: "bad", retryable: true });
  });

  it("fails all the same when it breaks the language", async () => {
    const { result } = await fail(
      `  String.prototype.split = String.prototype.replaceAll = () => { throw 1; };\n  throw new Error("bad");`,
    );
    expect(result.code).toBe("JobFailed");
  });
});

describe("the source maps of a package", () => {
  it("hold no text of the source, and the bundle no path of this machine", async () => {
    await using source = await sourcePackage({
      ...SUMMING,
      "src/b.ts": jobThat("  return {};").replace("Sample", "B"),
    });
    await using unpacked = await temporaryDirectory();
    const { zip } = await packPackage({ directory: source.path, target: LINUX });
    const files = await filesOf(zip, unpacked.path);
    const code = Object.entries(files).filter(([name]) => name.endsWith(".mjs"));
    expect(code.length).toBeGreaterThan(1);
    for (const [, text] of code) {
      const map = Buffer.from(text.split("base64,").at(-1) ?? "", "base64").toString();
      expect(JSON.parse(map)).toMatchObject({ version: 3, names: [] });
      expect(map).not.toContain("sourcesContent");
      for (const place of [process.cwd(), source.path]) expect(text + map).not.toContain(place.slice(1));
    }
  });
});
