import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BatchView, JobView } from "../../../runtime/client/index.ts";
import { runCliHere } from "../../support/processes/cli-in-process.ts";
import { LAUNCHER, runCli, type CliOptions, type CliResult } from "../../support/processes/cli-process.ts";
import { eventually } from "../../support/eventually.ts";
import { hasProgram } from "../../support/processes/has-program.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { unzip } from "../../support/packages/unzip.ts";
import { TEST_CONSOLE } from "../../support/api/test-programs.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { freshTenant } from "../../support/stores/test-storage.ts";
import { openTerminal } from "../../support/processes/tmux.ts";
import { startTestSystem, type TestSystem } from "../../support/test-system.ts";

/** Writes a line, clears the screen, and writes another line. */
const ESCAPE = String.raw`console.log("before" + "\u001b[2J\u001b[H" + " after");`;
const FILES = `
  const { mkdir, writeFile } = await import("node:fs/promises");
  await mkdir(\`\${context.outputPath}/sub\`);
  await writeFile(\`\${context.outputPath}/.bashrc\`, "from the job");
  await writeFile(\`\${context.outputPath}/sub/a.txt\`, "from the job");
`;
/** Reports half of its progress, and ends when the file in its parameters exists. */
const STEPS = `
  const { existsSync } = await import("node:fs");
  context.progress(0.5, "half way");
  while (!existsSync(job.parameters)) await new Promise((resolve) => setTimeout(resolve, 20));
  return { output: "done" };
`;
let system: TestSystem;
let desk: Awaited<ReturnType<typeof temporaryDirectory>>;
const tenant = freshTenant();
beforeAll(async () => {
  desk = await temporaryDirectory();
  system = await startTestSystem();
  const jobs = {
    Quick: "return { output: job.parameters };",
    Fail: 'throw nonRetryable("no good");',
    Files: FILES,
    Escape: ESCAPE,
    Steps: STEPS,
  };
  await system.publish(tenant, "test.zip", testPackage({ jobs }));
  await system.startWorker({ slots: 2 });
});
afterAll(async () => {
  await system[Symbol.asyncDispose]();
  await desk[Symbol.asyncDispose]();
});

const jobyard = (args: readonly string[], options: CliOptions = {}): Promise<CliResult> =>
  runCliHere(args, { env: { HOME: desk.path, JOBYARD_URL: system.api.url }, ...options });

/** The environment of a shell. */
const jobyardProcess = (args: readonly string[], options: CliOptions = {}): Promise<CliResult> =>
  runCli(args, { cwd: desk.path, env: { HOME: desk.path, JOBYARD_URL: system.api.url }, ...options });

/** A port without a listener. */
async function addressOfNobody(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? `http://127.0.0.1:${address.port}` : "";
}

const lineOf = (jobType: string, fields: object = {}): string =>
  JSON.stringify({ tenantName: tenant, jobType, jobName: jobType, jobProcessorPackageName: "test.zip", ...fields });

describe("many jobs", () => {
  it("are submitted as lines, refused separately, watched, listed and requeued", async () => {
    await system.api.put(`/v1/tenants/${tenant}/packages/known.zip`, testPackage({ jobs: { Quick: "return {};" } }));
    const lines = [lineOf("Quick"), "", "{nonsense", lineOf("Fail"), lineOf("Quick"), lineOf("")].join("\n");
    const created = ["--new-batch", "Many", "--tenant", tenant];
    const submitted = await jobyardProcess(["submit", "--lines", "-", ...created, "--json"], { input: lines });
    expect(submitted.code, submitted.stderr).toBe(5);
    const result = submitted.json<{ submitted: number; batchId: string; refused: object[] }>();
    expect(result).toMatchObject({
      submitted: 3,
      refused: [
        { line: 3, code: "InvalidRequest" },
        { line: 6, code: "InvalidRequest" },
      ],
    });
    expect(submitted.stderr).toMatch(/^Line 3: .*not JSON.*\nLine 6: .*jobType.*\n$/);

    const { batchId } = result;
    const watched = await jobyard(["watch", batchId]);
    expect(watched).toMatchObject({ code: 5, stdout: "3 jobs: 2 succeeded, 1 failed, 0 canceled\n" });
    expect(watched.stderr).toContain("3 of 3 jobs done, 0 running, 1 failed");
    expect(watched.stderr).toContain("no good");
    expect(watched.stdout + watched.stderr).not.toMatch(/\u001b/);
    const again = await jobyard(["watch", batchId, "--json"]);
    expect(again.json<BatchView>().counts).toMatchObject({ succeeded: 2, failed: 1 });

    const failed = (await jobyard(["jobs", batchId, "--state", "failed", "--json"])).json<{ items: JobView[] }>();
    expect(failed.items).toMatchObject([{ jobType: "Fail", failure: { message: "no good" } }]);
    const { jobId } = failed.items[0]!;
    expect((await jobyard(["jobs", jobId])).stdout).toMatch(/failure +JobFailed: no good/);
    await eventually(async () => expect((await jobyard(["dead-letters", "--tenant", tenant])).stdout).toContain(jobId));
    expect((await jobyard(["requeue", jobId, "acme.x.00.y"])).stderr).toContain("JobNotFound");
    await system.until(jobId);
    expect((await jobyard(["requeue", batchId, "--json"])).json<object>()).toEqual({ requeued: 1 });
    expect((await jobyard(["batches", "--tenant", tenant])).stdout).toMatch(/Many +open/);
    expect((await jobyard(["batches", batchId, "--close"])).stdout).toMatch(/state +closed/);
  });
});

describe("a mistake", () => {
  it("in the job type or the package is refused with a suggestion for each line, unless it is published later", async () => {
    const lines = [
      lineOf("Quick"),
      lineOf("Quikc", { jobProcessorPackageName: "known.zip" }),
      lineOf("Quick", { jobProcessorPackageName: "konwn.zip" }),
    ].join("\n");
    const submitted = await jobyard(["submit", "--lines", "-", "--tenant", tenant, "--json"], { input: lines });
    expect(submitted.json<object>()).toMatchObject({
      submitted: 1,
      refused: [
        { line: 2, code: "JobTypeUnknown" },
        { line: 3, code: "PackageNotFound" },
      ],
    });
    expect(submitted.stderr).toMatch(
      /^Line 2: .*"Quikc"\. Did you mean "Quick"\?.*\nLine 3: .*Did you mean "known\.zip"\?.*\n$/,
    );
    const one = ["submit", "--type", "Quikc", "--package", "known.zip", "--tenant", tenant];
    const refused = await jobyard(one);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain('Did you mean "Quick"?');
    expect((await jobyard([...one, "--publish-later"])).code).toBe(0);
  });
});

describe("a package with a schema of parameters", () => {
  const about = ["--package", "typed.zip", "--type", "Quick", "--tenant", tenant];
  beforeAll(async () => {
    const schema = { type: "object", properties: { year: { type: "integer", minimum: 1900 } }, required: ["year"] };
    const zip = testPackage({ jobs: { Quick: "return {};" }, schemas: { Quick: schema } });
    await system.api.put(`/v1/tenants/${tenant}/packages/typed.zip`, zip);
  });

  it("refuses wrong parameters at submit, each field named", async () => {
    const refused = await jobyard(["submit", ...about, "--parameters", `{"year":"2025"}`]);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain("ParametersInvalid");
    expect(refused.stderr).toContain("parameters.year must be a whole number");
    const wrong = lineOf("Quick", { jobProcessorPackageName: "typed.zip", parameters: { year: 5 } });
    const lines = await jobyard(["submit", "--lines", "-", "--tenant", tenant], { input: wrong });
    expect(lines.stderr).toContain("Line 1: parameters.year must be at least 1900");
    expect((await jobyard(["submit", ...about, "--parameters", `{"year":2025}`])).code).toBe(0);
  });

  it("is among the types of the tenant", async () => {
    const printed = await jobyard(["types", "--tenant", tenant]);
    expect(printed.stdout).toContain(`"typed.zip": {\n    Quick: {`);
    expect(printed.stdout).toContain("readonly year: number;");
    const file = join(desk.path, "types.d.ts");
    expect(await jobyard(["types", "--tenant", tenant, "--out", file])).toMatchObject({ code: 0, stdout: "" });
    expect(await readFile(file, "utf8")).toBe(printed.stdout);
    const json = await jobyard(["types", "--tenant", tenant, "--json"]);
    expect(json.json<object>()).toMatchObject({ packages: expect.any(Array) as unknown });
  });
});

describe("lines of a file", () => {
  const submitFile = async (bytes: Uint8Array) => {
    const file = join(desk.path, "jobs.ndjson");
    await writeFile(file, bytes);
    return jobyard(["submit", "--lines", file, "--new-batch", "Bytes", "--tenant", tenant, "--json"]);
  };

  it("are refused by line number if they are not UTF-8 or contain numbers that would change", async () => {
    const result = await submitFile(
      Buffer.concat([
        Buffer.from(`\ufeff${lineOf("Quick", { jobName: "für" })}\r\n`),
        Buffer.from(`${lineOf("Quick", { jobName: "für" })}\n`, "latin1"),
        Buffer.from(lineOf("Quick", { parameters: 0 }).replace(":0}", ":9007199254740993}")),
      ]),
    );
    expect(result.code).toBe(5);
    expect(result.json<object>()).toMatchObject({ submitted: 1, refused: [{ line: 2 }, { line: 3 }] });
    expect(result.stderr).toContain("Line 2: line: is not UTF-8");
    expect(result.stderr).toContain("Line 3: parameters: 9007199254740993 would arrive as 9007199254740992");
  });

  it("in UTF-16 are refused together", async () => {
    const result = await submitFile(Buffer.from(`\ufeff${lineOf("Quick")}\r\n${lineOf("Quick")}`, "utf16le"));
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr).toMatch(/jobs\.ndjson, line: is UTF-16; save it as UTF-8\n$/);
  });
});

describe("one job", () => {
  it("is submitted and awaited, and the exit code is its result", async () => {
    const good = ["submit", "--type", "Quick", "--package", "test.zip", "--tenant", tenant, "-p", '{"n":1}', "--wait"];
    expect(await jobyard(good)).toMatchObject({
      code: 0,
      stdout: 'succeeded after 1 attempt\n  output    {"n":1}\n',
    });
    await writeFile(join(desk.path, "job.json"), lineOf("Fail"));
    const bad = await jobyardProcess(["submit", "--file", "job.json", "--wait", "--json"]);
    expect(bad.code).toBe(5);
    expect(bad.json<JobView>()).toMatchObject({ state: "failed", failure: { retryable: false } });
  });

  it("is canceled, unless it has ended", async () => {
    const later = ["submit", "--type", "Quick", "--package", "test.zip", "--tenant", tenant, "--delay", "3600"];
    const jobId = (await jobyard([...later, "--json"])).json<{ jobId: string }>().jobId;
    expect(await jobyard(["cancel", jobId])).toMatchObject({ code: 0, stdout: "canceled\n" });
    const ended = await system.submit(tenant, "Quick");
    await system.until(ended);
    const tooLate = await jobyard(["cancel", ended]);
    expect(tooLate).toMatchObject({ code: 1, stdout: "" });
    expect(tooLate.stderr).toMatch(/has already ended as succeeded.*\n {2}\(JobEnded, request /);
  });

  it("is not watched any more after Ctrl-C", async () => {
    const later = ["submit", "--type", "Quick", "--package", "test.zip", "--tenant", tenant, "--delay", "3600"];
    const jobId = (await jobyard(later)).stdout.trim();
    const interrupt = new AbortController();
    const watched = await jobyardProcess(["watch", jobId], {
      interrupt: interrupt.signal,
      onError: () => interrupt.abort(),
    });
    expect(watched).toMatchObject({ code: 130, stdout: "" });
    expect((await jobyard(["watch", jobId, "--timeout", "1"])).stderr).toContain("TimedOut");
    await jobyard(["cancel", jobId]);
  });
});

describe("one running job", () => {
  const steps = async (name: string) => {
    const file = join(desk.path, name);
    return { jobId: await system.submit(tenant, "Steps", { parameters: file }), go: () => writeFile(file, "") };
  };

  it("is watched with its progress", async () => {
    const { jobId, go } = await steps("watched");
    const watched = await jobyardProcess(["watch", jobId], {
      onError: (text) => void (text.includes("running 50% half way") && go()),
    });
    expect(watched).toMatchObject({ code: 0, stdout: 'succeeded after 1 attempt\n  output    "done"\n' });
    expect(watched.stderr).toContain("running 50% half way");
  });

  it.skipIf(!hasProgram("tmux", "-V"))("is one line on a terminal, which is removed at the end", async () => {
    const { jobId, go } = await steps("shown");
    const env = { HOME: desk.path, JOBYARD_URL: system.api.url };
    await using window = await openTerminal(`${process.execPath} ${LAUNCHER} watch ${jobId}`, env, desk.path);
    await eventually(async () => expect(await window.text()).toMatch(/50%, \d+s, half way$/m));
    await go();
    await eventually(async () => expect(await window.text()).toContain("exit code 0"));
    expect(await window.text()).toBe(`Job ${jobId}\nsucceeded after 1 attempt\n  output    "done"\nexit code 0`);
    expect(await window.isCursorVisible()).toBe(true);
  });

  it("prints its events as lines until it has ended", async () => {
    const { jobId, go } = await steps("heard");
    const events = await jobyardProcess(["events", jobId, "--json"], { onError: () => void go() });
    expect({ code: events.code, stderr: events.stderr }).toEqual({ code: 0, stderr: `Following ${jobId} …\n` });
    const heard = events.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { eventType: string; jobId: string });
    expect(heard.at(-1)).toMatchObject({ eventType: "jobCompleted", jobId, status: "succeeded" });
    expect((await jobyard(["events", jobId])).code).toBe(0);
  });

  it("appears in the events of its batch and its tenant", async () => {
    const created = await jobyard(["batches", "--create", "Heard", "--tenant", tenant, "--priority", "high"]);
    const batchId = created.stdout.trim();
    const following = jobyardProcess(["events", batchId, "--count", "1"], { onError: () => void submitInto(batchId) });
    const { code, stdout } = await following;
    expect(code).toBe(0);
    expect(stdout).toMatch(/^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d {2}jobQueued {7}\S+ {2}Quick\n$/);
    expect((await jobyard(["events", "--tenant", tenant, "--count", "1", "x.y.z"])).code).toBe(1);
  });

  const submitInto = (batchId: string) =>
    jobyard(["submit", "--type", "Quick", "--package", "test.zip", "--tenant", tenant, "--batch", batchId]);

  it("starts at the instant of --at", async () => {
    const instant = new Date(Date.now() + 86_400_000).toISOString().slice(0, 16);
    const job = ["submit", "--type", "Quick", "--package", "test.zip", "--tenant", tenant];
    const { jobId } = (await jobyard([...job, "--at", `${instant}+00:00`, "--json"])).json<{ jobId: string }>();
    expect((await jobyard(["jobs", jobId])).stdout).toContain(`not before ${instant.replace("T", " ")}:00`);
    await jobyard(["cancel", jobId]);
  });
});

describe("the system", () => {
  it("is shown with its last sweep and its programs; one of them is read and restarted", async () => {
    const shown = await jobyard(["system"]);
    expect(shown.stdout).toMatch(/^Last sweep: .*\n\n/);
    expect(shown.stdout).toMatch(/worker-1 +running +2 +2026-11-02/);
    expect((await jobyard(["system", "--console", "worker-1"])).stdout).toBe(TEST_CONSOLE);
    expect((await jobyard(["system", "--restart", "worker-1"])).stdout).toBe("Restart of worker-1 requested.\n");
    expect(system.api.programs.restarts).toEqual(["worker-1"]);
    expect((await jobyard(["system", "--restart", "nobody"])).stderr).toContain("(ProgramNotFound, request ");
    expect((await jobyard(["system", "--restart", "api", "--console", "api"])).code).toBe(2);
  });
});

describe("quotas", () => {
  it("change those that are named; --none removes the others", async () => {
    const other = freshTenant();
    await system.api.put(`/v1/tenants/${other}`);
    const quotas = async (...args: readonly string[]): Promise<string> =>
      (await jobyard(["quotas", other, ...args])).stdout.replaceAll(/, until .* UTC/g, "");
    expect(await quotas()).toBe(`${other} has no quotas.\n`);
    await quotas("--jobs-per-day", "10", "--stored-bytes", "2000");
    const three = [`Quotas of ${other}`, "  running at once  0 of 3", "  jobs a day       0 of 10"];
    expect((await quotas("--running-at-once", "3")).split("\n").slice(0, 3)).toEqual(three);
    expect(await quotas("--none", "--jobs-per-day", "5")).toBe(`Quotas of ${other}\n  jobs a day       0 of 5\n`);
    expect(await quotas("--none")).toBe(`${other} has no quotas.\n`);
  });
});

describe("packages", () => {
  it("are listed, restored and deleted", async () => {
    const other = freshTenant();
    const at = (...args: readonly string[]) => jobyard(["packages", ...args, "--tenant", other]);
    const publish = async (jobType: string) => {
      await writeFile(join(desk.path, "two.zip"), testPackage({ jobs: { [jobType]: "return {};" } }));
      return jobyard(["publish", join(desk.path, "two.zip"), "--tenant", other]);
    };
    expect((await publish("First")).stderr).toBe("");
    expect((await publish("Second")).stderr).toBe("");
    expect((await at()).stdout).toMatch(/two\.zip +[0-9a-f]{12} .*Second/);
    const { items } = (await at("versions", "two", "--json")).json<{
      items: { sha256: string; isCurrent: boolean }[];
    }>();
    expect(items.map(({ isCurrent }) => isCurrent)).toEqual([true, false]);
    const older = items[1]!.sha256.slice(0, 12);
    expect(await at("restore", "two", older)).toMatchObject({
      code: 0,
      stdout: `Jobs of two.zip now run version ${older}.\n`,
    });
    expect((await at()).stdout).toMatch(/two\.zip .*First/);
    expect(await at("delete", "two", "--yes")).toMatchObject({ code: 0 });
    expect((await at()).stdout).toBe("No packages.\n");
  });
});

describe("artifacts", { tags: "attack/names" }, () => {
  it("are downloaded to a folder named after the job, and overwrite nothing", async () => {
    const jobId = await system.submit(tenant, "Files");
    await system.until(jobId);
    await writeFile(join(desk.path, ".bashrc"), "mine");
    const first = await jobyardProcess(["artifacts", "download", jobId, "--json"]);
    expect(first.json<{ files: string[] }>().files.toSorted()).toEqual([`${jobId}/.bashrc`, `${jobId}/sub/a.txt`]);
    expect(await readFile(join(desk.path, jobId, "sub/a.txt"), "utf8")).toBe("from the job");

    const again = await jobyard(["artifacts", "download", jobId, ".bashrc", "--to", desk.path]);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining(".bashrc already exists") as string });
    expect(await readFile(join(desk.path, ".bashrc"), "utf8")).toBe("mine");
    expect(await readdir(join(desk.path, jobId))).toEqual([".bashrc", "sub"]);

    const file = join(desk.path, "all.zip");
    const asZip = ["artifacts", "download", jobId, "--zip", file];
    expect(await jobyard(asZip)).toMatchObject({ code: 0, stdout: `${file}\n` });
    const zip = await unzip(file);
    expect([...zip].map(([path, content]) => [path, content.toString()]).sort()).toEqual([
      [".bashrc", "from the job"],
      ["sub/a.txt", "from the job"],
    ]);
    expect((await jobyard(asZip)).code).toBe(1);
  });

  it("do not follow an existing link, and leave no partial file", async () => {
    const jobId = await system.submit(tenant, "Files");
    await system.until(jobId);
    const to = join(desk.path, "linked");
    await mkdir(to);
    await symlink(join(desk.path, "elsewhere"), join(to, ".bashrc"));
    expect((await jobyard(["artifacts", "download", jobId, ".bashrc", "--to", to])).code).toBe(1);
    expect((await jobyard(["artifacts", "download", jobId, "none.txt", "--to", to])).code).toBe(1);
    await expect(readFile(join(desk.path, "elsewhere"))).rejects.toMatchObject({ code: "ENOENT" });
    expect(await readdir(to)).toEqual([".bashrc"]);
    expect((await jobyard(["artifacts", "download", "../x"])).code).not.toBe(0);
  });
});

describe("a log on a terminal", { tags: "attack/names" }, () => {
  it.skipIf(!hasProgram("tmux", "-V"))("does not control the terminal, except with --raw", async () => {
    const jobId = await system.submit(tenant, "Escape");
    await system.until(jobId);
    const env = { HOME: desk.path, JOBYARD_URL: system.api.url };
    for (const [option, shown] of [
      ["", "before after"],
      ["--raw", " after"],
    ] as const) {
      await using window = await openTerminal(
        `${process.execPath} ${LAUNCHER} logs ${jobId} ${option}`,
        env,
        desk.path,
      );
      await eventually(async () => expect(await window.text()).toContain("exit code 0"));
      expect(await window.text()).toContain(shown);
      expect((await window.text()).includes("before")).toBe(option === "");
    }
  });
});

describe("an error", () => {
  it("has a clear message and an exit code", async () => {
    const gone = { env: { HOME: desk.path, JOBYARD_URL: await addressOfNobody() } };
    const [nowhere, noService, noAddress, noSuchJob, noOption, noCommand, twoWays] = await Promise.all([
      jobyard(["jobs", "x"], { env: { HOME: desk.path } }),
      jobyard(["jobs", "acme.x.00.y"], gone),
      jobyard(["jobs", "x", "--url", "nonsense"]),
      jobyard(["jobs", "acme.x.00.y"]),
      jobyard(["jobs", "x", "--nonsense"]),
      jobyard(["nonsense"]),
      jobyard(["submit", "--type", "A", "--file", "b.json"]),
    ]);
    expect([nowhere.code, noAddress.code, noOption.code, noCommand.code, twoWays.code]).toEqual([2, 2, 2, 2, 2]);
    expect(noService.code).toBe(4);
    expect(noService.stderr).toContain("ECONNREFUSED");
    expect(noSuchJob).toMatchObject({ code: 1, stderr: expect.stringContaining("JobNotFound") as string });
    const help = await jobyard(["submit", "--help"]);
    expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining("Examples:") as string });
  });
});
