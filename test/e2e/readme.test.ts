import { spawn } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";
import { DEMO_APPLICATION } from "../../runtime/local/identity/principals.ts";
import { startLocal } from "../support/local-run.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const ROOT = join(import.meta.dirname, "../..");

/** The code blocks of a language in one chapter, word for word. */
async function blocksOf(chapter: string, language: string): Promise<readonly string[]> {
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const [, part = ""] = readme.split(`\n## ${chapter}\n`);
  const [body = ""] = part.split("\n## ");
  return [...body.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, "g"))].map(([, code = ""]) => code);
}

async function run(command: string, args: readonly string[], env: Record<string, string>) {
  const path = `${join(ROOT, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`;
  const child = spawn(command, args, { cwd: ROOT, env: { PATH: path, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  return { code, stdout, stderr };
}

it("the README's chapter on submitting and following a job does what it says, word for word", async () => {
  await using home = await temporaryDirectory();
  await using desk = await temporaryDirectory();
  await using stack = startLocal(home.path, ["--port", "0"]);
  const [, url = ""] = await stack.says(/Running at (http:\S+)/);
  await stack.says("Published");
  const env = { HOME: desk.path, JOBYARD_HOME: home.path, JOBYARD_URL: url };

  const [commands = ""] = await blocksOf("Submit and follow a job", "sh");
  const typed = await run("sh", ["-ec", commands], env);
  expect(typed, typed.stderr).toMatchObject({ code: 0 });
  expect(typed.stdout).toMatch(/Signed in at .* for demo\.\nsucceeded after 1 attempt\n/);

  const [program = ""] = await blocksOf("Submit and follow a job", "ts");
  const file = join(ROOT, "node_modules/.cache", `readme-${process.pid}.mjs`);
  await writeFile(file, program);
  const ran = await run("node", [file], {
    ...env,
    NODE_EXTRA_CA_CERTS: join(home.path, "identity/ca.pem"),
    JOBYARD_CLIENT_ID: DEMO_APPLICATION.clientId,
    JOBYARD_CLIENT_SECRET: DEMO_APPLICATION.secret,
  });
  await rm(file);
  expect(ran, ran.stderr).toMatchObject({ code: 0 });
  expect(ran.stdout).toMatch(/Closing|year/i);
  expect(ran.stdout).toMatch(/\nsucceeded \{/);
  stack.process.kill("SIGTERM");
  expect(await stack.exited).toBe(0);
});
