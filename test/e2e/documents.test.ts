import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { appendFile, copyFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  ADMIN_APPLICATION,
  API_CLIENT_ID,
  DEMO_APPLICATION,
  DIRECTORY_ID,
  type LocalApplication,
} from "../../runtime/local/identity/principals.ts";
import { codeBlocks, DOCUMENTS, type CodeBlock } from "../support/docs/code-blocks.ts";
import { copyClone } from "../support/packages/copied-clone.ts";
import { hasProgram } from "../support/processes/has-program.ts";
import { startLocal, type LocalRun } from "../support/processes/local-run.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { WITH_TEST_PACKAGES } from "../support/test-packages.ts";

/** Commands that no test can run, and why. */
const NOT_RUN: readonly (readonly [RegExp, string])[] = [
  [/^(?:az|pulumi|git) |pulumi stack/m, "needs Azure"],
  [/^npm (?:ci|run|start|install)|^npx @/m, "installs, or has its own test"],
  [/^JOBYARD_\w+=\S+ npm/m, "installs, or has its own test"],
  [/^ADD_FORMATS=1 npx/m, "writes into this clone"],
  [/hooks\.example\.com/, "needs a receiver on the internet"],
  [/^(?:#!|trap )/, "is part of a job"],
];
const reasonOf = (code: string): string | undefined => NOT_RUN.find(([pattern]) => pattern.test(code))?.[1];
/** These end when their reader disconnects, here by `timeout`. */
const ENDLESS = /\/v1\/events|jobyard dev/;
const TIMED_OUT = 124;

const SCRIPTS = (await Promise.all(DOCUMENTS.map(codeBlocks))).flat().filter(({ language }) => language === "sh");
const canRun = hasProgram("curl", "--version");

describe.skipIf(!canRun)("with curl: scripts in documents", () => {
  const home = temporaryDirectory();
  const desk = temporaryDirectory();
  let stack: LocalRun;
  let env: Record<string, string>;
  let issuer: string;

  async function run(command: string, args: readonly string[]) {
    const { path } = await desk;
    const child = spawn(command, args, { cwd: path, env, stdio: ["ignore", "pipe", "pipe"] });
    const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
    const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
    return { code, stdout, stderr };
  }

  /** As in the document, except for the ports of this run. */
  function runBlock({ code }: CodeBlock) {
    const script = code
      .replaceAll("http://127.0.0.1:7070", env["API"] ?? "")
      .replaceAll("https://127.0.0.1:7443", issuer);
    return ENDLESS.test(code) ? run("timeout", ["2", "sh", "-ec", script]) : run("sh", ["-ec", script]);
  }

  async function tokenOf({ clientId, secret }: LocalApplication): Promise<string> {
    const form = ["grant_type=client_credentials", `scope=api://${API_CLIENT_ID}/.default`];
    const data = [...form, `client_id=${clientId}`, `client_secret=${secret}`].flatMap((field) => ["-d", field]);
    const url = `${issuer}/${DIRECTORY_ID}/oauth2/v2.0/token`;
    const { stdout } = await run("curl", ["-s", "--cacert", ".jobyard/identity/ca.pem", url, ...data]);
    return (JSON.parse(stdout) as { access_token: string }).access_token;
  }

  beforeAll(async () => {
    const [{ path: data }, { path: folder }] = await Promise.all([home, desk]);
    stack = startLocal(data, WITH_TEST_PACKAGES);
    const [, url = ""] = await stack.says(/Running at (http:\S+)/);
    await stack.says("Published");
    const { authority } = (await (await fetch(`${url}/v1/auth`)).json()) as { authority: string };
    issuer = new URL(authority).origin;
    // The documents assume these: data and programs of a clone, and a packed package.
    await symlink(data, join(folder, ".jobyard"));
    await copyClone(folder);
    env = {
      PATH: `${join(folder, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`,
      HOME: folder,
      JOBYARD_HOME: data,
      JOBYARD_URL: url,
      API: url,
    };
    await appendFile(join(folder, ".curlrc"), "fail-with-body\nmax-time = 120\n");
    for (const args of [
      ["login", "--local"],
      ["init", "my-package"],
      ["pack", "my-package"],
    ]) {
      const made = await run("jobyard", args);
      expect(made.code, made.stderr).toBe(0);
    }
    await copyFile(join(folder, "my-package/dist/my-package.zip"), join(folder, "greet.zip"));
    const line = { tenantName: "demo", jobType: "FinancialYearEnd", jobName: "2025", parameters: { year: 2025 } };
    await writeFile(
      join(folder, "jobs.ndjson"),
      `${JSON.stringify({ ...line, jobProcessorPackageName: "financial-year-end.zip" })}\n`,
    );

    const submitted = await run("jobyard", [
      ...["submit", "--type", "FinancialYearEnd", "--package", "financial-year-end.zip"],
      ...["--parameters", '{"year":2025}', "--wait", "--json"],
    ]);
    const { jobId, batchId } = JSON.parse(submitted.stdout) as { jobId: string; batchId: string };
    env = {
      ...env,
      TOKEN: await tokenOf(DEMO_APPLICATION),
      ADMIN_TOKEN: await tokenOf(ADMIN_APPLICATION),
      JOB: jobId,
      BATCH: batchId,
      OBJECT_ID: randomUUID(),
    };
  });

  afterAll(async () => {
    stack.process.kill("SIGTERM");
    expect(await stack.exited).toBe(0);
    await rm((await desk).path, { recursive: true, force: true });
    await rm((await home).path, { recursive: true, force: true });
  });

  const runnable = SCRIPTS.filter(({ code }) => reasonOf(code) === undefined);

  it('run, except for listed exceptions, and the README\'s "Write a package" among them', () => {
    expect(runnable.length).toBeGreaterThan(6);
    const lines = runnable.filter(({ place }) => place.startsWith("README.md")).flatMap(({ code }) => code.split("\n"));
    for (const command of ["init packages/greet", "test --workspace packages/greet", "submit --type Greet"])
      expect(
        lines.some((line) => line.includes(command)),
        command,
      ).toBe(true);
  });

  it.each(runnable.map((block) => [block.place, block] as const))(
    "work unchanged: %s",
    async (_place, block) => {
      const ran = await runBlock(block);
      const isEndless = ENDLESS.test(block.code);
      expect([ran.code, ran.stderr, ran.stdout]).toEqual([
        isEndless ? TIMED_OUT : 0,
        expect.anything(),
        expect.anything(),
      ]);
    },
    240_000,
  );

  it("and the README's program work", async () => {
    const [program] = (await codeBlocks("README.md")).filter(({ code }) => code.includes("new JobServiceClient"));
    const file = join((await desk).path, "program.mjs");
    await writeFile(file, program?.code ?? "");
    env = {
      ...env,
      NODE_EXTRA_CA_CERTS: ".jobyard/identity/ca.pem",
      JOBYARD_CLIENT_ID: DEMO_APPLICATION.clientId,
      JOBYARD_CLIENT_SECRET: DEMO_APPLICATION.secret,
    };
    const { code, stdout, stderr } = await run("node", [file]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/year/i);
    expect(stdout).toMatch(/\n\{ year: 2025/);
  });
});
