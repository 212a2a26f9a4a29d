/** The programs of docs/other-languages.md, run as a reader runs them. */
import { execFile } from "node:child_process";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEMO_APPLICATION } from "../../runtime/local/identity/principals.ts";
import { signInAs } from "../../runtime/local/identity/issuer-client.ts";
import { codeBlocks } from "../support/docs/code-blocks.ts";
import { ROOT } from "../support/docs/document-tables.ts";
import { runCli } from "../support/processes/cli-process.ts";
import { hasProgram } from "../support/processes/has-program.ts";
import { type LocalRun, startLocal } from "../support/processes/local-run.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";
import { clientOf, WITH_TEST_PACKAGES } from "../support/test-packages.ts";

const GENERATOR = "openapi-python-client";
const hasGenerator = hasProgram(GENERATOR, "--version") && hasProgram("python3", "-c", "import attrs, dateutil, httpx");
const run = promisify(execFile);

const blocks = await codeBlocks("docs/other-languages.md");
/** The code of the page that contains a text. */
function code(language: string, containing: string): string {
  const found = blocks.find((block) => block.language === language && block.code.includes(containing));
  if (found === undefined) throw new Error(`The page has no code in ${language} with ${containing}.`);
  return found.code;
}

describe.skipIf(!hasProgram("python3", "-c", "import json, urllib.request"))(
  "clients in Python (needs python3)",
  () => {
    let home: TemporaryDirectory;
    let desk: TemporaryDirectory;
    let stack: LocalRun;
    let env: NodeJS.ProcessEnv;
    beforeAll(async () => {
      [home, desk] = await Promise.all([temporaryDirectory(), temporaryDirectory()]);
      stack = startLocal(home.path, WITH_TEST_PACKAGES);
      const { api } = await clientOf(stack, home.path);
      const authorize = signInAs(DEMO_APPLICATION, {
        authority: api.authority,
        caFile: join(home.path, "identity/ca.pem"),
      });
      env = { ...process.env, JOBYARD_URL: api.url, TOKEN: (await authorize()).replace("Bearer ", "") };
    });
    afterAll(async () => {
      stack.process.kill("SIGTERM");
      expect(await stack.exited).toBe(0);
      await Promise.all([home, desk].map((directory) => directory[Symbol.asyncDispose]()));
    });

    /** Runs a program in Python and resolves with what it prints. */
    async function python(name: string, program: string): Promise<string> {
      await writeFile(join(desk.path, name), program);
      const { stdout } = await run("python3", ["-B", name], { cwd: desk.path, env, timeout: 120_000 });
      return stdout.trim();
    }

    it("submit a job and wait for it with the standard library alone", async () => {
      expect(await python("submit.py", code("python", "urllib.request"))).toBe("succeeded {'year': 2025}");
    });

    it.skipIf(!hasGenerator)(`submit a job and wait for it with a generated client (needs ${GENERATOR})`, async () => {
      const config = join(desk.path, `${GENERATOR}.yaml`);
      await writeFile(config, code("yaml", "content_type_overrides"));
      const document = `${env["JOBYARD_URL"] ?? ""}/openapi.json`;
      const args = ["--url", document, "--meta", "none", "--config", config, "--output-path", "jobyard_client"];
      await run(GENERATOR, ["generate", "--fail-on-warning", ...args], { cwd: desk.path, env, timeout: 120_000 });
      expect(await python("generated.py", code("python", "jobyard_client"))).toBe("succeeded {'year': 2025}");
    });
  },
);

describe.skipIf(!hasProgram("dotnet", "--version"))("the sample in C# (needs dotnet)", () => {
  it("is published as one file, and runs with progress, an output and a failure for wrong parameters", async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, "csharp-report");
    await cp(join(ROOT, "docs/samples/csharp-report"), folder, { recursive: true });
    const target = `-p:RuntimeIdentifier=${process.platform === "darwin" ? "osx" : "linux"}-${process.arch}`;
    await run("dotnet", ["publish", "-o", "program", target], { cwd: folder, timeout: 280_000 });
    const job = (parameters: unknown) => runCli(["run", folder, "--parameters", JSON.stringify(parameters)]);
    const good = await job({ text: "to be or not to be" });
    expect([good.code, good.stdout]).toEqual([0, expect.stringContaining('{"words":6,"different":4}')]);
    expect(good.stdout).toContain("::progress 1.000 Wrote words.tsv");
    expect((await job({})).stdout).toContain("exit code 65: text: expected a text.");
  });
});
