import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { PackagePlatform } from "../../../../runtime/core/package/manifest.ts";
import { type PackResult, packPackage } from "../../../../runtime/package/build/pack.ts";
import { PackError } from "../../../../runtime/package/build/problem.ts";
import { unpackPackage } from "../../../../runtime/worker/package-cache/unpack.ts";
import { elfFor } from "../../../support/packages/elf.ts";
import { seededRandom } from "../../../support/seeded-random.ts";
import { sourcePackage } from "../../../support/packages/source-package.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";

const LINUX: PackagePlatform = { os: "linux", arch: "x64", libc: "glibc" };
const job = (type: string, body = "") =>
  `import { defineJob } from "jobyard/job";\nexport default defineJob({ jobType: "${type}", run() { ${body} } });\n`;
const packageJson = (jobyard: unknown, more: object = {}) =>
  JSON.stringify({ name: "sample", version: "1.2.3", jobyard, ...more });

async function packed(files: Readonly<Record<string, string | Uint8Array>>, target = LINUX): Promise<PackResult> {
  await using source = await sourcePackage(files);
  return await packPackage({ directory: source.path, target });
}

async function problemOf(files: Readonly<Record<string, string | Uint8Array>>, target = LINUX): Promise<string> {
  const error: unknown = await packed(files, target).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(PackError);
  return (error as PackError).message;
}

/** The files of a package, by path. */
async function contentsOf({ zip }: PackResult): Promise<Map<string, string>> {
  await using root = await temporaryDirectory();
  const directory = join(root.path, "package");
  const { files } = await unpackPackage({ bytes: zip, directory });
  return new Map(
    await Promise.all(files.map(async (file) => [file, await readFile(join(directory, file), "utf8")] as const)),
  );
}

/** Runs one job of a package in a fresh Node, in a folder without a parent `node_modules`. */
async function runPacked({ zip, manifest }: PackResult, parameters: unknown, services = "undefined") {
  await using root = await temporaryDirectory();
  const directory = join(root.path, "package");
  await unpackPackage({ bytes: zip, directory });
  const entry = manifest.jobs[0]?.entry;
  if (entry?.kind !== "module") throw new Error("The first job is no module.");
  const script = `
    const module = await import(${JSON.stringify(join(directory, entry.file))});
    const definition = module[${JSON.stringify(entry.export)}];
    const marked = Object.getOwnPropertySymbols(definition).includes(Symbol.for("jobyard.job"));
    const result = await definition.run({ parameters: ${JSON.stringify(parameters)} }, {
      packagePath: ${JSON.stringify(directory)}, outputPath: ${JSON.stringify(root.path)},
      progress() {}, log() {}, signal: new AbortController().signal, services: ${services},
    });
    console.log(JSON.stringify({ marked, exports: Object.keys(module), output: result?.output }));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
    cwd: root.path,
  });
  return {
    ...(JSON.parse(stdout) as { marked: boolean; exports: string[]; output: unknown }),
    files: await readdir(root.path),
  };
}

describe("packPackage", () => {
  it("packing writes a manifest of the jobs that it finds", async () => {
    const retry = 'retry: { maxAttempts: 2 }, timeoutMs: 60 * 1000, isolation: "reuse", memoryMb: 256,';
    const result = await packed({
      "package.json": packageJson(undefined),
      "src/b.ts": job("B").replace("run()", `${retry} run()`),
      "a.js": job("A"),
    });
    expect(result.manifest).toEqual({
      manifestVersion: 1,
      name: "sample",
      version: "1.2.3",
      platform: "any",
      jobs: [
        { jobType: "A", entry: { kind: "module", file: "a.mjs", export: "default" } },
        {
          jobType: "B",
          entry: { kind: "module", file: "src/b.mjs", export: "default" },
          retry: { maxAttempts: 2 },
          timeoutMs: 60_000,
          memoryMb: 256,
          isolation: "reuse",
        },
      ],
    });
    const contents = await contentsOf(result);
    expect(JSON.parse(contents.get("job.json")!)).toEqual(result.manifest);
    expect(result.sha256).toBe(createHash("sha256").update(result.zip).digest("hex"));
    expect(result.fileCount).toBe(contents.size);
  });

  it("packing bundles imports, and shared code only once", async () => {
    const text = (type: string) =>
      `import { greet } from "./shared.ts";\n${job(type, `return { output: greet("${type}") }`)}`;
    const result = await packed({
      "src/a.ts": text("A"),
      "src/b.ts": text("B"),
      "src/shared.ts":
        'import { hello } from "greeting";\nexport const greet = (name: string): string => hello + name + __dirname.length;',
      "node_modules/greeting/package.json": '{ "name": "greeting", "main": "main.cjs" }',
      "node_modules/greeting/main.cjs": 'exports.hello = require("node:path").basename("/x/hello ");',
    });
    const contents = await contentsOf(result);
    expect([...contents.values()].filter((content) => content.includes("hello "))).toHaveLength(1);
    expect((await runPacked(result, {})).output).toMatch(/^hello A\d+$/);
  });

  it("packing gives every job the package's setup", async () => {
    const result = await packed({
      "src/jobs.ts":
        'import { defineJob } from "jobyard/job";\nexport const a = defineJob({ jobType: "A", run(_, { services }) { return { output: services } } });\nexport const b = defineJob({ jobType: "B", run() {} });',
      "src/services.ts":
        'import type { Setup } from "jobyard/job";\nexport const setup: Setup = () => ({ ready: true });',
    });
    const { exports, marked, output } = await runPacked(result, {}, "await module.setup({})");
    expect(exports.sort()).toEqual(["a", "b", "setup"]);
    expect(marked).toBe(true);
    expect(output).toEqual({ ready: true });
  });

  it("packing copies files unchanged, with their executable bit", async () => {
    await using source = await sourcePackage({
      "package.json": packageJson({ files: ["data", "bin/tool", "notes.txt"] }),
      "job.ts": job("A"),
      "data/b/ü.csv": "1;2",
      "data/a.csv": "",
      "data/.DS_Store": "x",
      "bin/tool": "#!/bin/sh\n",
      "bin/other": "",
      "notes.txt": "notes",
    });
    await source.makeExecutable("bin/tool");
    const result = await packPackage({ directory: source.path, target: LINUX });
    expect([...(await contentsOf(result)).keys()]).toEqual([
      "bin/tool",
      "data/a.csv",
      "data/b/ü.csv",
      "job.json",
      "job.mjs",
      "notes.txt",
    ]);

    await using root = await temporaryDirectory();
    await unpackPackage({ bytes: result.zip, directory: join(root.path, "package") });
    expect((await stat(join(root.path, "package/bin/tool"))).mode & 0o777).toBe(0o755);
    expect((await stat(join(root.path, "package/notes.txt"))).mode & 0o777).toBe(0o644);
  });

  it("packing accepts programs without any JavaScript", async () => {
    const result = await packed({
      "package.json": packageJson({
        name: "tools",
        files: ["convert.sh"],
        jobs: [
          { jobType: "Convert", command: "./convert.sh", args: ["--fast", "{parametersFile}"], timeoutMs: 1_000 },
          { jobType: "Python", command: "python3", args: ["-c", "print(1)"], retry: { maxAttempts: 1 } },
        ],
      }),
      "convert.sh": "#!/bin/sh\n",
    });
    expect(result.manifest).toMatchObject({
      name: "tools",
      platform: "any",
      jobs: [
        {
          jobType: "Convert",
          entry: { kind: "command", command: "./convert.sh", args: ["--fast", "{parametersFile}"] },
          timeoutMs: 1_000,
        },
        {
          jobType: "Python",
          entry: { kind: "command", command: "python3", args: ["-c", "print(1)"] },
          retry: { maxAttempts: 1 },
        },
      ],
    });
    await using root = await temporaryDirectory();
    await unpackPackage({ bytes: result.zip, directory: join(root.path, "package") });
    // It is started as a program, so it gets the executable bit even if the disk has none.
    expect((await stat(join(root.path, "package/convert.sh"))).mode & 0o777).toBe(0o755);
  });

  it("packing keeps the executable bit of a program that is started by its name alone", async () => {
    const result = await packed({
      "package.json": packageJson({ files: ["tool"], jobs: [{ jobType: "A", command: "tool" }] }),
      tool: "#!/bin/sh\n",
    });
    await using root = await temporaryDirectory();
    const { executables } = await unpackPackage({ bytes: result.zip, directory: join(root.path, "package") });
    expect([...executables]).toEqual(["tool"]);
  });

  it("packing accepts sources and package.json files with a byte order mark, also of modules", async () => {
    const { manifest } = await packed({
      "package.json": `\ufeff${packageJson({ external: ["marked"] })}`,
      "a.ts": `\ufeffimport "marked";\n${job("A")}`,
      "node_modules/marked/package.json": '\ufeff{ "name": "marked", "version": "1.0.0", "main": "main.js" }',
      "node_modules/marked/main.js": "",
    });
    expect(manifest.name).toBe("sample");
  });

  it("packing compresses large files unless the result would look like a ZIP bomb", async () => {
    const [plain, zeros] = [Buffer.alloc(2_000_000), Buffer.alloc(2_000_000)];
    // Bytes of four bits each compress to half their size.
    const random = seededRandom(1);
    for (let i = 0; i < plain.length; i++) plain[i] = Math.floor(random.next() * 16);
    const files = { "src/a.ts": job("A"), "package.json": packageJson({ files: ["data"] }) };
    const sizeWith = async (content: Buffer) => (await packed({ ...files, "data/x.bin": content })).zip.length;
    expect(await sizeWith(plain)).toBeLessThan(plain.length * 0.7);
    expect(await sizeWith(zeros)).toBeGreaterThan(zeros.length);
  });

  it("packing makes the same bytes from the same source, in any place and at any time", async () => {
    await using first = await sourcePackage({});
    await using second = await sourcePackage({});
    const files: Readonly<Record<string, string>> = {
      "package.json": packageJson({ files: ["data"] }),
      "src/a.ts": `import "./lib.ts";\n${job("A")}`,
      "src/b.ts": `import "./lib.ts";\n${job("B")}`,
      "src/lib.ts": "console.log(import.meta.url);",
      "data/x.txt": "x".repeat(5_000),
      "data/Y.txt": "y",
    };
    await first.write(files);
    await second.write(Object.fromEntries(Object.entries(files).reverse()));
    const cli = join(import.meta.dirname, "../../../../runtime/cli/jobyard.mjs");
    const packIn = async (directory: string, zone: string) => {
      const out = join(directory, "out.zip");
      await promisify(execFile)(process.execPath, [cli, "pack", directory, "--out", out], {
        env: { ...process.env, TZ: zone },
      });
      return createHash("sha256")
        .update(await readFile(out))
        .digest("hex");
    };
    const hashes = await Promise.all([
      packIn(first.path, "UTC"),
      packIn(second.path, "Asia/Tokyo"),
      packIn(first.path, "America/St_Johns"),
    ]);
    expect(new Set(hashes).size).toBe(1);
  });

  it.each<[string, Record<string, string | Uint8Array>, string]>([
    ["a package.json that is not JSON", { "package.json": "{" }, "package.json is not JSON"],
    [
      "a package.json in UTF-16",
      { "package.json": Buffer.from(`\ufeff${packageJson({})}`, "utf16le"), "a.ts": job("A") },
      "package.json is UTF-16; save it as UTF-8.",
    ],
    [
      "a package.json in Latin-1",
      { "package.json": Buffer.from('{"name":"ü"}', "latin1") },
      "package.json is not UTF-8; save it as UTF-8.",
    ],
    [
      "a source in UTF-16",
      { "a.ts": Buffer.from(`\ufeff${job("A")}`, "utf16le") },
      "a.ts is UTF-16; save it as UTF-8.",
    ],
    ["a source in Latin-1", { "a.ts": Buffer.from(job("Größe"), "latin1") }, "a.ts is not UTF-8; save it as UTF-8."],
    [
      "settings under a misspelt name",
      { "package.json": '{ "name": "x", "jobYard": { "files": [] } }', "a.ts": job("A") },
      'package.json: "jobYard" is not read (did you mean "jobyard"?).',
    ],
    [
      "a misspelt setting of a program",
      { "package.json": packageJson({ jobs: [{ jobType: "A", command: "sh", timeoutMS: 1_000 }] }) },
      'jobyard.jobs[0]: expected only known fields, not "timeoutMS" (did you mean "timeoutMs"?)',
    ],
    [
      "a misspelt setting of a timer",
      { "package.json": packageJson({ timers: [{ timerName: "A", cron: "0 0 * * * *", timezone: "UTC" }] }) },
      'jobyard.timers[0]: expected only known fields, not "timezone" (did you mean "timeZone"?)',
    ],
    [
      "a misspelt job type of a timer",
      { "package.json": packageJson({ timers: [{ timerName: "Nightl", cron: "1:00:00" }] }), "a.ts": job("Nightly") },
      '"Nightl" is not a job type of this package (did you mean "Nightly"?), which has: Nightly.',
    ],
    ...(
      [
        ["with Windows line ends", "#!/bin/sh\r\n", "which has Windows line ends (CRLF)"],
        ["that is empty", "", "which is empty"],
        ["behind a byte order mark", "\ufeff#!/bin/sh\n", "which begins with a byte order mark"],
        ["in UTF-16", Buffer.from("\ufeff#!/bin/sh\n", "utf16le"), "which is UTF-16"],
        ["with a relative interpreter", "#!sh\n", "which names its interpreter sh by a relative path"],
        ["for another processor", elfFor(0xb7), "which was built for linux-arm64 and cannot run on linux-x64"],
      ] as const
    ).map(([what, content, message]): [string, Record<string, string | Uint8Array>, string] => [
      `a program ${what}`,
      {
        "package.json": packageJson({ files: ["x.sh"], jobs: [{ jobType: "A", command: "./x.sh" }] }),
        "x.sh": content,
      },
      `jobyard.jobs runs x.sh, ${message}`,
    ]),
    [
      "an unknown setting",
      { "package.json": packageJson({ file: ["x"] }) },
      'package.json: jobyard: expected only known fields, not "file" (did you mean "files"?)',
    ],
    [
      "an invalid package name",
      { "package.json": '{ "name": "~x" }', "a.ts": job("A") },
      'package.json: "~x" is not a valid package name',
    ],
    ["no job", { "a.ts": "export {}" }, "No job is declared in "],
    [
      "files that are not there",
      { "package.json": packageJson({ files: ["data"] }), "a.ts": job("A") },
      "jobyard.files names data, which does not exist",
    ],
    [
      "files outside",
      { "package.json": packageJson({ files: ["../x"] }), "a.ts": job("A") },
      'jobyard.files[0]: expected a path relative to the package; this one contains ".."',
    ],
    [
      "a dependency that is not installed",
      { "a.ts": `import "left-pad";\n${job("A")}` },
      'a.ts:1:8: Cannot find "left-pad": list it under "dependencies" in package.json and run npm install.',
    ],
    ["a missing file", { "a.ts": `import "./b.ts";\n${job("A")}` }, 'a.ts:1:8: Could not resolve "./b.ts"'],
    [
      "a syntax error in an imported file",
      { "a.ts": `import "./b.ts";\n${job("A")}`, "b.ts": "const = 1;" },
      "b.ts:1:7: ",
    ],
    [
      "a program that is not packed",
      { "package.json": packageJson({ jobs: [{ jobType: "A", command: "./x.sh" }] }) },
      "jobyard.jobs runs x.sh, which is not in the package; list it under jobyard.files",
    ],
    [
      "a directory instead of a program",
      { "package.json": packageJson({ files: ["bin"], jobs: [{ jobType: "A", command: "./bin" }] }), "bin/x.sh": "" },
      "jobyard.jobs runs bin, which is a directory.",
    ],
    [
      "a type declared in two files",
      { "package.json": packageJson({ jobs: [{ jobType: "A", command: "sh" }] }), "a.ts": job("A") },
      'package.json: job type "A" is declared already, in a.ts:2:16.',
    ],
    [
      "files that are one file elsewhere",
      { "package.json": packageJson({ files: ["d"] }), "a.ts": job("A"), "d/x": "", "d/X": "" },
      "d/X and d/x are the same file on some systems",
    ],
    [
      "two files with one path",
      { "package.json": packageJson({ files: ["job.json"] }), "a.ts": job("A"), "job.json": "{}" },
      "job.json would be in the package twice",
    ],
  ])("packing reports the fix for %s", async (_, files, message) => {
    expect(await problemOf(files)).toContain(message);
  });

  it("packing reports a missing package.json and a missing directory with the fix", async () => {
    await using root = await temporaryDirectory();
    await expect(packPackage({ directory: root.path, target: LINUX })).rejects.toThrow(
      `There is no package.json in ${root.path}.`,
    );
    await expect(packPackage({ directory: join(root.path, "x"), target: LINUX })).rejects.toThrow(
      "There is no directory ",
    );
  });

  it("packing refuses links among its files", async () => {
    await using source = await sourcePackage({
      "package.json": packageJson({ files: ["data"] }),
      "a.ts": job("A"),
      "data/x": "",
    });
    await source.link("data/link", "/etc/hostname");
    await expect(packPackage({ directory: source.path, target: LINUX })).rejects.toThrow(
      "data/link is neither a plain file nor a directory",
    );
  });
});
