import { execFileSync } from "node:child_process";
import { readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { JobView } from "../../runtime/client/index.ts";
import { DEMO_APPLICATION } from "../../runtime/local/identity/principals.ts";
import { ROOT } from "../support/docs/document-tables.ts";
import { runCli } from "../support/processes/cli-process.ts";
import { startLocal } from "../support/processes/local-run.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

it("leads from an empty folder to an artifact, and through signing in as a user and as an administrator", async () => {
  await using home = await temporaryDirectory();
  await using desk = await temporaryDirectory();
  await using run = startLocal(home.path, ["--port", "0", "--no-demo"]);
  const [, url = ""] = await run.says(/Running at (http:\S+)/);
  const env = { HOME: desk.path, JOBYARD_HOME: home.path };
  const jobyard = (...args: string[]) => runCli(args, { env, cwd: desk.path });

  const early = await jobyard("jobs", "demo.x");
  expect(early).toMatchObject({ code: 2, stdout: "" });
  expect(early.stderr).toContain("jobyard login");

  const login = await jobyard("login", url, "--local");
  expect(login, login.stderr).toMatchObject({
    code: 0,
    stdout: `Signed in at ${url} as ${DEMO_APPLICATION.name}, for demo.\n`,
  });
  expect((await stat(join(desk.path, ".jobyard/sign-in.json"))).mode & 0o777).toBe(0o600);

  // Not installed: the modules of this clone stand in.
  await writeFile(join(desk.path, "jobyard.tgz"), "");
  await symlink(join(ROOT, "node_modules"), join(desk.path, "node_modules"));
  expect((await jobyard("init", "greetings", "--from", "jobyard.tgz")).code).toBe(0);
  const alone = await jobyard("run", "greetings", "--parameters", '{"name":"me"}', "--out", "here");
  expect(alone, alone.stderr).toMatchObject({ code: 0 });
  expect(alone.stdout).toContain("greeting me for the 5 time");
  expect(await readFile(join(desk.path, "here/greeting.txt"), "utf8")).toBe("Hello, me!\n");

  const packed = await jobyard("pack", "greetings", "--json");
  expect(packed.code, packed.stderr).toBe(0);
  const published = await jobyard("publish", "greetings/dist/greetings.zip", "--json");
  expect(published.code, published.stderr).toBe(0);
  expect(published.json<{ sha256: string }>().sha256).toBe(packed.json<{ sha256: string }>().sha256);

  const greet = ["--type", "Greetings", "--package", "greetings.zip", "--parameters", '{"name":"world"}'];
  const submitted = await jobyard("submit", ...greet);
  expect(submitted.code, submitted.stderr).toBe(0);
  const jobId = submitted.stdout.trim();

  // While the job still runs.
  const followed = jobyard("logs", jobId, "--follow");
  const watched = await jobyard("watch", jobId);
  expect(watched, watched.stderr).toMatchObject({ code: 0 });
  expect(watched.stdout).toBe('succeeded after 1 attempt\n  output    {"greeted":"world"}\n  artifacts 1\n');
  const log = await followed;
  expect(log.code, log.stderr).toBe(0);
  expect(log.stdout.match(/greeting world for the \d time/g)?.length).toBe(5);
  expect((await jobyard("logs", jobId)).stdout).toBe(log.stdout);

  expect((await jobyard("artifacts", "list", jobId)).stdout).toMatch(/^path +size\ngreeting.txt +1 KiB\n$/);
  expect((await jobyard("artifacts", "download", jobId, "--to", "out")).code).toBe(0);
  expect(await readFile(join(desk.path, "out/greeting.txt"), "utf8")).toBe("Hello, world!\n");
  const shown = (await jobyard("jobs", jobId, "--json")).json<JobView>();
  expect(shown).toMatchObject({ state: "succeeded", output: { greeted: "world" } });

  expect((await jobyard("workers")).code).toBe(3);
  expect((await jobyard("login", url, "--local", "--as", "admin")).code).toBe(0);
  expect((await jobyard("workers")).stdout).toMatch(/^worker +state +running/);
  expect((await jobyard("tenants", "--create", "acme")).code).toBe(0);
  const guid = "10ca1000-0000-4000-8000-0000000000e2";
  expect((await jobyard("grants", "acme", "--grant", guid, "--access", "read", "--name", "Sam")).code).toBe(0);
  expect((await jobyard("grants", "acme")).stdout).toContain(guid);

  const ca = join(home.path, "identity/ca.pem");
  const device = await runCli(["login", url, "--local", "--device", "--json"], {
    env,
    cwd: desk.path,
    onError: (text) => {
      const [, address, code] = /open (\S+\/device) and enter the code (\S+?)\.\s/.exec(text) ?? [];
      if (address === undefined || code === undefined) return;
      const form = ["-d", `user_code=${code}`, "-d", "login=sam@jobyard.local"];
      execFileSync("curl", ["-sf", "--cacert", ca, "-o", "/dev/null", ...form, address]);
    },
  });
  expect(device.code, device.stderr).toBe(0);
  expect(device.json<{ name: string }>().name).toMatch(/sam/i);
  expect((await jobyard("batches", "--tenant", "demo")).stdout).toMatch(/Jobs of /);
  expect((await jobyard("logout")).stdout).toBe("Signed out.\n");
  expect((await jobyard("batches", "--tenant", "demo", "--url", url)).code).toBe(3);
  run.process.kill("SIGTERM");
  expect(await run.exited).toBe(0);
});
