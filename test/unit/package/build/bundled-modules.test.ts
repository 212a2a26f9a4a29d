/** Modules and files that code needs at run time: optional drivers, files beside the code, worker threads. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { PackagePlatform } from "../../../../runtime/core/package/manifest.ts";
import { packPackage } from "../../../../runtime/package/build/pack.ts";
import { unpackPackage } from "../../../../runtime/worker/package-cache/unpack.ts";
import { sourcePackage } from "../../../support/packages/source-package.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";

const LINUX: PackagePlatform = { os: "linux", arch: "x64", libc: "glibc" };
type Files = Readonly<Record<string, string>>;

const jobThat = (body: string, imports = ""): string =>
  `import { defineJob } from "jobyard/job";\n${imports}\n` +
  `export default defineJob({ jobType: "A", async run() { ${body} } });\n`;

const module = (name: string, json: object, files: Files): Files =>
  Object.fromEntries(
    Object.entries({
      "package.json": JSON.stringify({ name, version: "1.0.0", main: "index.js", ...json }),
      ...files,
    }).map(([file, content]) => [`node_modules/${name}/${file}`, content]),
  );

async function pack(files: Files) {
  await using source = await sourcePackage(files);
  return await packPackage({ directory: source.path, target: LINUX });
}

/** Packs, and runs the only job in a fresh Node without any installed module. */
async function run(files: Files) {
  const { zip, manifest, warnings } = await pack(files);
  await using root = await temporaryDirectory();
  const directory = join(root.path, "package");
  const tree = await unpackPackage({ bytes: zip, directory });
  const entry = manifest.jobs[0]?.entry;
  if (entry?.kind !== "module") throw new Error("The first job is no module.");
  const script = join(root.path, "run.mjs");
  await writeFile(
    script,
    `const module = await import(${JSON.stringify(join(directory, entry.file))});
     const output = await module[${JSON.stringify(entry.export)}].run({ parameters: null }, {});
     console.log(JSON.stringify(output ?? null));`,
  );
  const { stdout } = await promisify(execFile)(process.execPath, [script], { cwd: root.path });
  return { output: JSON.parse(stdout) as unknown, warnings, files: tree.files };
}

describe("an optional module of a dependency", () => {
  const driver = {
    ...module(
      "db",
      { peerDependencies: { lazy: "1" }, dependencies: { debug: "1" } },
      {
        "index.js": `
        let native;
        try { native = require("native/fast"); } catch (error) { native = error.code; }
        exports.native = native;
        exports.connect = () => require("lazy").connect();
        exports.load = () => import("@scope/late/sub");`,
      },
    ),
    "a.ts": jobThat(
      `const codes = [db.native];
       try { db.connect(); } catch (error) { codes.push(error.code); }
       await db.load().catch((error) => codes.push(error.code));
       return codes;`,
      'import db from "db";',
    ),
  };

  it("an optional module that is not installed causes a warning, and is missing when a job uses it", async () => {
    const { output, warnings } = await run(driver);
    expect(output).toEqual(["MODULE_NOT_FOUND", "MODULE_NOT_FOUND", "ERR_MODULE_NOT_FOUND"]);
    expect(warnings).toEqual([
      expect.stringMatching(/^db can use modules that are not installed: @scope\/late, lazy, native\. /) as unknown,
    ]);
  });

  it("an optional module that is installed is packed", async () => {
    const lazy = module("lazy", {}, { "index.js": 'exports.connect = () => { throw { code: "connected" }; };' });
    const { output, warnings } = await run({ ...driver, ...lazy });
    expect(output).toEqual(["MODULE_NOT_FOUND", "connected", "ERR_MODULE_NOT_FOUND"]);
    expect(warnings[0]).toContain("not installed: @scope/late, native.");
  });

  it.each([
    [
      "package.json of the dependency requires it",
      { ...driver, ...module("db", { dependencies: { lazy: "1" } }, { "index.js": 'require("lazy");' }) },
    ],
    ["the dependency imports it statically", { ...driver, ...module("db", {}, { "index.js": 'import "lazy";' }) }],
    ["the job itself imports it", { "a.ts": jobThat('await import("lazy");') }],
  ])("a missing module is refused if %s", async (_, files) => {
    await expect(pack(files)).rejects.toThrow('Cannot find "lazy": list it under "dependencies"');
  });
});

describe("a module that looks for files beside its own code", () => {
  const fonts = {
    ...module(
      "fonts",
      {},
      {
        "index.js": `
        // Not in a comment: import.meta.url
        exports.read = () => require("node:fs").readFileSync(require("node:path").join(__dirname, "font.txt"), "utf8");`,
        "font.txt": "serif",
      },
    ),
    ...module("plain", {}, { "index.js": "// __dirname\nexports.one = 1;" }),
    "a.ts": jobThat("return fonts.read();", 'import fonts from "fonts";\nimport "plain";'),
  };
  const listing = (jobyard: object): Files => ({ "package.json": JSON.stringify({ name: "sample", jobyard }) });

  it("a module that looks for files beside its code causes a warning, and finds them when it is copied", async () => {
    const { warnings } = await pack(fonts);
    expect(warnings).toEqual([
      expect.stringContaining("fonts looks for files beside its own code (index.js)") as unknown,
    ]);
    const copied = await run({ ...fonts, ...listing({ external: ["fonts"] }) });
    expect(copied).toMatchObject({ output: "serif", warnings: [] });
  });

  it("a module that looks for files beside its code is bundled without a warning if package.json lists it", async () => {
    expect((await pack({ ...fonts, ...listing({ bundled: ["fonts"] }) })).warnings).toEqual([]);
  });
});

describe("a file that own code names by import.meta.url", () => {
  const START = `
    const answer = (file: URL) => new Promise((resolve, reject) =>
      new Worker(file, { workerData: 20 }).once("message", resolve).once("error", reject));`;
  const THREAD = `
    import { parentPort, workerData } from "node:worker_threads";
    import { double } from "./double.ts";
    parentPort?.postMessage(double(workerData) + 2);`;
  const IMPORT = 'import { Worker } from "node:worker_threads";';
  const DOUBLE = "export const double = (n: number): number => n * 2;";

  it("the code of a worker thread is packed with its imports and its own threads", async () => {
    const { output, files, warnings } = await run({
      "src/a.ts": jobThat(`${START} return answer(new URL("./threads/outer.js", import.meta.url));`, IMPORT),
      "src/threads/outer.ts": `${IMPORT}
        import { parentPort } from "node:worker_threads";
        ${START}
        parentPort?.postMessage(await answer(new URL("../it's inner.ts", import.meta.url)));`,
      "src/it's inner.ts": THREAD,
      "src/double.ts": DOUBLE,
      "src/never.ts": 'new Worker("./nowhere.ts");',
    });
    expect(output).toBe(42);
    expect(warnings).toEqual([]);
    expect(files).toEqual(expect.arrayContaining(["src/a.mjs", "src/it's inner.mjs", "src/threads/outer.mjs"]));
    expect(files.join()).not.toContain("never");
  });

  it("a file named by import.meta.url is found from code that several jobs share", async () => {
    const job = jobThat("return start();", 'import { start } from "./deep/start.ts";');
    const { output, files } = await run({
      "a.ts": job,
      "b.ts": job.replace('"A"', '"B"'),
      "deep/start.ts": `${IMPORT} ${START} export const start = () => answer(new URL("./thread.ts", import.meta.url));`,
      "deep/thread.ts": THREAD.replace("./double.ts", "../double.ts"),
      "double.ts": DOUBLE,
    });
    expect(output).toBe(42);
    expect(files.some((file) => file.startsWith("chunks/"))).toBe(true);
  });

  it("a file named by import.meta.url is packed if it is listed, and causes a warning otherwise", async () => {
    const files = {
      "src/a.ts": jobThat(
        'return readFileSync(new URL("../data/x.txt", import.meta.url), "utf8");',
        'import { readFileSync } from "node:fs";',
      ),
      "data/x.txt": "listed",
    };
    const listed = { "package.json": '{ "name": "sample", "jobyard": { "files": ["data"] } }' };
    expect(await run({ ...files, ...listed })).toMatchObject({ output: "listed", warnings: [] });
    expect((await pack(files)).warnings).toEqual([
      "src/a.ts:3:76: data/x.txt is named here but not packed. List it under jobyard.files in package.json.",
    ]);
  });

  it.each([
    ['new Worker("./thread.ts")', "Packing cannot determine the file"],
    ['new Worker(join(import.meta.dirname, "thread.ts"))', "Packing cannot determine the file"],
    ["new threads.Worker(new URL(name, import.meta.url))", "Packing cannot determine the file"],
    ['new Worker(new URL("./gone.ts", import.meta.url))', "The file ./gone.ts of a worker thread does not exist."],
  ])("packing refuses an unknown worker file with its position: %s", async (call, message) => {
    await expect(pack({ "a.ts": jobThat(call) })).rejects.toThrow(/^a\.ts:3:\d+: /);
    await expect(pack({ "a.ts": jobThat(call) })).rejects.toThrow(message);
  });

  it.each([
    'new Worker("postMessage(1)", { eval: true })',
    "new Worker(new URL(import.meta.url))",
    "new Worker(import.meta.filename)",
    "new Worker(file)",
    'new URL("https://example.com/", import.meta.url)',
    'new URL("./made-later.txt", import.meta.url)',
  ])("packing leaves this code unchanged: %s", async (call) => {
    expect((await pack({ "a.ts": jobThat(call) })).warnings).toEqual([]);
  });
});
