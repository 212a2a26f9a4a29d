/** A package in a folder of its own, with the npm package that a clone builds: what an author without a clone does. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { symlinkSync } from "node:fs";
import { readFile, readdir, realpath, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../support/docs/document-tables.ts";
import { packJobyard } from "../support/packages/packed-jobyard.ts";
import { runCli } from "../support/processes/cli-process.ts";
import { startDev } from "../support/processes/dev-run.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";

const ANSWER_WITHIN_MS = 20_000;
const LIMIT_MS = 180_000;
/** What npm and vitest have told this test about itself. Settings of the registry stay. */
const OF_THE_RUNNER =
  /^(VITEST|NODE_(ENV|OPTIONS|PATH)$|TEST$|npm_(package|lifecycle|command|execpath|node|config_local_prefix))/;
const asks = ["view", "zod", "version", "--fetch-retries=0", `--fetch-timeout=${ANSWER_WITHIN_MS}`];
const isOnline = spawnSync("npm", asks, { timeout: 2 * ANSWER_WITHIN_MS }).status === 0;

describe.skipIf(!isOnline)("without a clone (needs the package registry)", () => {
  let desk: TemporaryDirectory;
  let folder: string;

  /** In the package's folder, with nothing of this clone on the search path. */
  function run(command: string, ...args: readonly string[]): string {
    const system = (process.env["PATH"] ?? "").split(":").filter((path) => !path.includes("node_modules"));
    const given = Object.entries(process.env).filter(([name]) => !OF_THE_RUNNER.test(name));
    const env = { ...Object.fromEntries(given), PATH: [dirname(process.execPath), ...system].join(":") };
    const { status, stdout, stderr } = spawnSync(command, args, {
      cwd: folder,
      env,
      encoding: "utf8",
      timeout: LIMIT_MS,
    });
    expect(status, `${stdout}\n${stderr}`).toBe(0);
    return stdout;
  }

  beforeAll(async () => {
    desk = await temporaryDirectory();
    const { tarball } = await packJobyard(desk.path);
    folder = join(desk.path, "greet");
    const made = await runCli(["init", folder, "--from", tarball]);
    expect(made.code, made.stderr).toBe(0);
    await rm(tarball);
    run("npm", "install", "--no-audit", "--no-fund");
  });
  afterAll(() => desk[Symbol.asyncDispose]());

  it("a new package is clean for the compiler, and its test passes", () => {
    run("npm", "run", "types");
    expect(run("npm", "test")).toMatch(/3 passed/);
  });

  it("its job runs, and packs to the same bytes every time", async () => {
    expect(run("npx", "--no", "jobyard", "run", ".", "--parameters", '{"name":"Ada"}')).toContain('{"greeted":"Ada"}');
    const pack = async () => {
      run("npx", "--no", "jobyard", "pack", ".");
      return createHash("sha256")
        .update(await readFile(join(folder, "dist/greet.zip")))
        .digest("hex");
    };
    expect(await pack()).toBe(await pack());
  });

  it("a second package can be made with the first one's command", async () => {
    const vendor = join(folder, "vendor");
    const [tarball = ""] = await readdir(vendor);
    run("npx", "--no", "jobyard", "init", "../nightly", "--timer", "--from", join(vendor, tarball));
    expect(await readdir(join(desk.path, "nightly"))).toContain("AGENTS.md");
  });

  it("a test starts the whole local system and runs the job there", async () => {
    // Many modules, and here already.
    symlinkSync(join(ROOT, "node_modules/azurite"), join(folder, "node_modules/azurite"));
    await writeFile(
      join(folder, "test/system.test.ts"),
      `import { startJobyard } from "jobyard/testing";
import { expect, it } from "vitest";

it("runs the job in the local system", async () => {
  await using jobyard = await startJobyard({ packages: ["."] });
  const { client, tenantName } = jobyard;
  const jobId = await client.management.submitJob({
    ...{ tenantName, jobType: "Greet", jobName: "Ada", jobProcessorPackageName: "greet.zip" },
    parameters: { name: "Ada" },
  });
  expect(await jobyard.waitForJob(jobId)).toMatchObject({ state: "succeeded", output: { greeted: "Ada" } });
}, 170_000);
`,
    );
    run("npm", "run", "types");
    expect(run("npm", "test")).toMatch(/4 passed/);
  });

  it(
    "jobyard dev starts the system, and a saved change runs",
    async () => {
      const command = await realpath(join(folder, "node_modules/.bin/jobyard"));
      const env = { HOME: desk.path };
      await using dev = startDev([".", "--port", "0", "--identity-port", "0"], env, folder, command);
      await dev.says(/✓ greet\.zip published/);
      await dev.says(/Watching greet/);
      const signIn = ["login", apiOf(dev.output()), "--local"];
      expect((await runCli(signIn, { env, cwd: folder })).code).toBe(0);
      const submit = ["submit", "--type", "Greet", "--package", "greet.zip", "--parameters", '{"name":"Ada"}'];
      expect((await runCli(submit, { env, cwd: folder })).code).toBe(0);
      await dev.says(/✓ Greet succeeded/);
      const source = join(folder, "src/greet.ts");
      await writeFile(source, (await readFile(source, "utf8")).replace('log("greeting"', 'log("hello"'));
      await dev.says(/✓ greet\.zip published/);
      dev.press("r");
      await dev.says(/│ hello Ada for the 1 time/);
      dev.press("q");
      expect(await dev.exited).toBe(0);
    },
    LIMIT_MS,
  );
});

const apiOf = (told: string): string => /Running at (http:\/\/\S+)/.exec(told)?.[1] ?? "";
