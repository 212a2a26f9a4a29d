/** Well-known libraries, each packed with a job that uses it and run by a job host, as in `jobyard run`. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCliHere } from "../../support/processes/cli-in-process.ts";
import { LIBRARIES, type Library } from "../../support/packages/libraries.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../support/temporary-directory.ts";

const INSTALL_TIMEOUT_MS = 600_000;
const ANSWER_WITHIN_MS = 20_000;
const REPOSITORY = join(import.meta.dirname, "../../..");

const wanted = new Map(LIBRARIES.flatMap(({ modules }) => Object.entries(modules)));
/** Modules of the same version in the repository are linked, the others installed. */
const isHere = async ([name, version]: readonly [string, string]): Promise<boolean> => {
  const text = await readFile(join(REPOSITORY, "node_modules", name, "package.json"), "utf8").catch(() => "{}");
  return (JSON.parse(text) as { version?: string }).version === version;
};
const here = new Map((await Promise.all([...wanted].map(async (one) => ((await isHere(one)) ? [one] : [])))).flat());
const missing = [...wanted].filter(([name]) => !here.has(name)).map(([name, version]) => `${name}@${version}`);
const [first] = missing;
const asks = ["view", first ?? "", "version", "--fetch-retries=0", `--fetch-timeout=${ANSWER_WITHIN_MS}`];
const isOnline = first === undefined || spawnSync("npm", asks, { timeout: 2 * ANSWER_WITHIN_MS }).status === 0;

describe.skipIf(!isOnline)("a job that uses (needs the package registry)", () => {
  let root: TemporaryDirectory;
  beforeAll(async () => {
    root = await temporaryDirectory();
    await writeFile(join(root.path, "package.json"), '{ "name": "libraries", "private": true }');
    const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", "--loglevel=error"];
    execFileSync("npm", ["install", ...quiet, ...missing], { cwd: root.path, timeout: INSTALL_TIMEOUT_MS });
    for (const name of here.keys()) {
      const link = join(root.path, "node_modules", name);
      await mkdir(dirname(link), { recursive: true });
      await symlink(join(REPOSITORY, "node_modules", name), link);
    }
  }, INSTALL_TIMEOUT_MS);
  afterAll(() => root[Symbol.asyncDispose]());

  async function write({ jobyard, imports, body }: Library, index: number): Promise<string> {
    const directory = join(root.path, `package-${index}`);
    await mkdir(directory);
    await writeFile(join(directory, "package.json"), JSON.stringify({ name: "library", type: "module", jobyard }));
    const job = `defineJob({ jobType: "Use", run: async () => ({ output: await use() }) })`;
    const use = `async function use() { ${body} }`;
    const source = `import { defineJob } from "jobyard/job";\n${imports}\n${use}\nexport default ${job};\n`;
    await writeFile(join(directory, "job.js"), source);
    return directory;
  }

  it.each(LIBRARIES.map((library, index) => [library.name, library, index] as const))(
    "%s is packed without a doubt left, and runs",
    async (_, library, index) => {
      const directory = await write(library, index);
      const env = { PATH: process.env["PATH"] ?? "" };
      const { stderr, stdout } = await runCliHere(["run", directory, "--json"], { env });
      const result = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as unknown;
      expect(result, stderr).toEqual({ kind: "succeeded", output: library.output });
      expect(stderr).not.toContain("looks for files");
    },
  );
});
