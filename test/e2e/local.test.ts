import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEMO_APPLICATION } from "../../runtime/local/identity/principals.ts";
import { localClient } from "../../runtime/local/stack.ts";
import { eventually } from "../support/eventually.ts";
import { apiOf, type LocalApi, processesOf, startLocal, type LocalRun } from "../support/processes/local-run.ts";
import { sourcePackage } from "../support/packages/source-package.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";
import { WITH_TEST_PACKAGES } from "../support/test-packages.ts";

const ROOT = join(import.meta.dirname, "../..");
const BIN = join(ROOT, "node_modules/.bin");

describe("npm start", () => {
  describe("without the samples", () => {
    let home: TemporaryDirectory;
    let run: LocalRun;
    let api: LocalApi;
    beforeAll(async () => {
      home = await temporaryDirectory();
      run = startLocal(home.path, WITH_TEST_PACKAGES);
      api = await apiOf(run, home.path);
    });
    afterAll(async () => {
      await run[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
    });

    it("publishes the packages it is given, runs none of them by itself, and says what to try", async () => {
      await run.says("Press Ctrl-C to stop");
      expect(run.output.stdout).toMatch(/✓ Published .*financial-year-end\.zip, metadata-export\.zip\n/);
      expect(run.output.stdout).toMatch(/✓ Timers run by themselves, next .*metadata-export at /);
      expect(run.output.stdout).not.toMatch(/Submitted|sample/);
    });

    it("requires a token, and prints commands without a secret that sign in and run a job", async () => {
      for (const path of ["/v1/batches?tenantName=demo", "/v1/dead-letters", "/v1/nothing"]) {
        expect((await fetch(`${api.url}${path}`)).status).toBe(401);
      }
      await run.says("Press Ctrl-C to stop");
      const [, typed = ""] = /^Try next.*\n((?: {2}.*\n)+)/m.exec(run.output.stdout) ?? [];
      expect(run.output.stdout).not.toMatch(/secret/i);
      await using desk = await temporaryDirectory();
      const env = { PATH: `${BIN}:${process.env["PATH"] ?? ""}`, HOME: desk.path };
      // Exactly as printed, with quotes and continued lines.
      const { stdout } = await promisify(execFile)("sh", ["-ec", typed], { cwd: ROOT, env });
      expect(stdout).toMatch(/^Signed in at .* for demo\.\nsucceeded after 1 attempt\n[^]*Jobs of /);
      await run.says(/✓ \S+ FinancialYearEnd FinancialYearEnd succeeded/);
    });

    it("shows a failed job with its reason, and its API links from / to the documents", async () => {
      const client = await localClient(
        { apiUrl: api.url, issuer: { authority: api.authority, caFile: join(home.path, "identity/ca.pem") } },
        DEMO_APPLICATION,
      );
      await client.management.submitJob({
        ...{ tenantName: "demo", jobType: "FinancialYearEnd", jobName: "no such year" },
        ...{ jobProcessorPackageName: "financial-year-end.zip", parameters: { year: "x" } },
      });
      await run.says(/! \S+ FinancialYearEnd no such year failed: JobFailed: .*year/);
      expect(await (await fetch(`${api.url}/`)).text()).toContain('href="/openapi.json"');
    });

    it("is refused while it runs there, and the first continues", async () => {
      await using second = startLocal(home.path, ["--port", "0"]);
      expect(await second.exited).toBe(1);
      expect(second.output.stdout).toMatch(
        new RegExp(`is in use by another Jobyard \\(process ${run.process.pid}, since `),
      );
      expect(existsSync(join(home.path, "storage"))).toBe(true);
      expect((await fetch(`${api.url}/readyz`)).status).toBe(200);
    });

    it("ends with Ctrl-C, and leaves no process behind", async () => {
      run.process.kill("SIGINT");
      expect(await run.exited).toBe(0);
      expect(run.output.stdout).toMatch(/! Stopping\.[^]*✓ Stopped\. Data stays in /);
      await eventually(() => expect(processesOf(home.path)).toEqual([]));
    });
  });

  it("refuses two packages of one name", async () => {
    await using home = await temporaryDirectory();
    await using other = await sourcePackage({
      "metadata-export/package.json":
        '{ "name": "metadata-export", "jobyard": { "jobs": [{ "jobType": "A", "command": "true" }] } }',
    });
    await using run = startLocal(home.path, [...WITH_TEST_PACKAGES, "--packages", join(other.path, "metadata-export")]);
    expect(await run.exited).toBe(1);
    expect(run.output.stdout).toContain(
      "✗ Two packages are called metadata-export.zip. Rename the folder of one of them.\n",
    );
    await eventually(() => expect(processesOf(home.path)).toEqual([]));
  });
});

describe("npm start reports one sentence and starts nothing for", () => {
  async function refused(home: string, args: string[], sentence: RegExp): Promise<void> {
    await using run = startLocal(home, args);
    expect(await run.exited).toBe(1);
    const said = `${run.output.stdout}${run.output.stderr}`.trim();
    expect(said).toMatch(sentence);
    expect(said.split("\n").length).toBe(1);
    await eventually(() => expect(processesOf(home)).toEqual([]));
  }

  it("a taken port", async () => {
    await using home = await temporaryDirectory();
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const address = taken.address();
    const port = typeof address === "object" && address !== null ? String(address.port) : "";
    await refused(home.path, ["--port", port], new RegExp(`Port ${port} is in use`));
    taken.close();
  });

  it("a path that is not a folder", async () => {
    await using home = await temporaryDirectory();
    const file = join(home.path, "file");
    await writeFile(file, "");
    await refused(join(file, "below"), [], /is not a folder/);
    expect(await readFile(file, "utf8")).toBe("");
  });

  it.each([
    ["the same port twice", ["--port", "8080", "--identity-port", "8080"], /--port and --identity-port are both 8080/],
    ["a folder without packages", ["--port", "0", "--packages", "/dev"], /\/dev contains no package/],
  ])("%s", async (_what, args, sentence) => {
    await using home = await temporaryDirectory();
    await using run = startLocal(home.path, args);
    expect(await run.exited).toBe(1);
    expect(run.output.stdout.trim().split("\n").at(-1)).toMatch(sentence);
    await eventually(() => expect(processesOf(home.path)).toEqual([]));
  });

  it("an unknown option", async () => {
    await using home = await temporaryDirectory();
    await using run = startLocal(home.path, ["--workers", "none"]);
    expect(await run.exited).toBe(1);
    expect(run.output.stderr).toMatch(/--workers.*whole number from 1 to 32/);
    await using other = startLocal(home.path, ["--identity-prot", "1"]);
    expect(await other.exited).toBe(1);
    expect(other.output.stderr).toMatch(/unknown option '--identity-prot'\n\(Did you mean --identity-port\?\)/);
  });
});
