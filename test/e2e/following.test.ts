/** Jobs of a whole local system, followed by a page in a browser and a person at a terminal. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BatchView, JobServiceClient, JobView } from "../../runtime/client/index.ts";
import type { SystemEvent } from "../../runtime/core/job/events.ts";
import { APPLICATIONS, DEMO_APPLICATION } from "../../runtime/local/identity/principals.ts";
import { signInAs, type LocalIssuer } from "../../runtime/local/identity/issuer-client.ts";
import { localClient } from "../../runtime/local/stack.ts";
import { expectWholeStories } from "../support/events/followers.ts";
import { hasProgram } from "../support/processes/has-program.ts";
import { startLocal, type LocalRun } from "../support/processes/local-run.ts";
import { startPageServer, type PageServer } from "./page-server.ts";
import { temporaryDirectory, type TemporaryDirectory } from "../support/temporary-directory.ts";
import { testPackage } from "../support/packages/test-package.ts";
import { COLUMNS, openTerminal } from "../support/processes/tmux.ts";

const CHROMIUM = "/usr/bin/chromium";
const CLI = join(import.meta.dirname, "../../runtime/cli/jobyard.mjs");
const JOBS_OF_PAGE = 200;
const JOBS_OF_TERMINAL = 20;
const TENANT = "demo";

let home: TemporaryDirectory;
let pages: PageServer;
let run: LocalRun;
let apiUrl: string;
let issuer: LocalIssuer;
let client: JobServiceClient;

beforeAll(async () => {
  [home, pages] = await Promise.all([temporaryDirectory(), startPageServer()]);
  run = startLocal(home.path, ["--port", "0", "--no-demo"], { JOBYARD_ALLOWED_ORIGINS: pages.origin });
  [, apiUrl = ""] = await run.says(/Running at (http:\S+)/);
  const { authority } = (await (await fetch(`${apiUrl}/v1/auth`)).json()) as { authority: string };
  issuer = { authority, caFile: join(home.path, "identity/ca.pem") };
  client = await localClient({ apiUrl, issuer }, DEMO_APPLICATION);
  const jobs = {
    Steps: "for (let i = 1; i <= 4; i++) context.progress(i / 4); return { output: job.parameters };",
    Year: `
      const { number, gate } = job.parameters;
      if (number === 3) throw nonRetryable("The ledger of the third year does not balance, see the report.");
      while (number >= 10 && !fs.existsSync(gate)) await new Promise((resolve) => setTimeout(resolve, 20));`,
  };
  const zip = new Uint8Array(testPackage({ jobs, isolation: "reuse" }));
  await client.management.publishPackage(TENANT, "test.zip", zip);
});
afterAll(async () => {
  run.process.kill("SIGTERM");
  await run.exited;
  await Promise.all([run, pages, home].map((one) => one[Symbol.asyncDispose]()));
});

const jobOf = (jobType: string, jobName = "a job") => ({
  tenantName: TENANT,
  jobType,
  jobName,
  jobProcessorPackageName: "test.zip",
});

/** The result of a function of the page. */
const call = (name: string, options: object): string => `${name}(${JSON.stringify(options)})`;

interface Followed {
  readonly batchId: string;
  readonly ids: readonly string[];
  readonly heard: Readonly<Record<string, SystemEvent[]>>;
  readonly end: JobView;
  readonly counts: BatchView["counts"];
}

describe.skipIf(!hasProgram(CHROMIUM, "--version"))("a page of another origin (needs chromium)", () => {
  it("receives all events of 200 jobs with our client, EventSource and SignalR; other users and pages get none", async () => {
    const tokenOf = async (application: typeof DEMO_APPLICATION): Promise<string> =>
      (await signInAs(application, issuer)()).replace("Bearer ", "");
    const token = await tokenOf(DEMO_APPLICATION);
    // In a container the user is root, and the container is the sandbox.
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
    try {
      const page = await browser.newPage();
      await page.goto(pages.origin);
      const followed = await page.evaluate<Followed>(
        call("follow", { apiUrl, token, job: jobOf("Steps"), count: JOBS_OF_PAGE }),
      );
      expect(followed.end).toMatchObject({ state: "succeeded", output: JOBS_OF_PAGE - 1 });
      expect(followed.counts).toMatchObject({ succeeded: JOBS_OF_PAGE, total: JOBS_OF_PAGE });
      expect(Object.keys(followed.heard)).toEqual(["our client", "EventSource", "SignalR"]);
      for (const [name, heard] of Object.entries(followed.heard)) {
        expectWholeStories({ name, heard }, followed.ids);
        expect(heard.filter(({ eventType }) => eventType === "batchCompleted").length, name).toBe(1);
      }

      const { batchId } = followed;
      const tryToFollow = (who: string, from = page): Promise<readonly string[]> =>
        from.evaluate(call("tryToFollow", { apiUrl, token: who, batchId }));
      const partner = APPLICATIONS.find(({ grants }) => "partner" in grants)!;
      expect(await tryToFollow(token)).toEqual(["open", "open"]);
      const [byTicket, byHub] = await tryToFollow(await tokenOf(partner));
      expect(byTicket).toBe("BatchNotFound");
      expect(byHub).toContain("BatchNotFound");

      const other = await browser.newPage();
      await other.goto(pages.otherOrigin);
      expect(await tryToFollow(token, other)).toEqual([
        "Failed to fetch",
        expect.stringContaining("Failed to fetch") as string,
      ]);
    } finally {
      await browser.close();
    }
    const log = await readFile(join(home.path, "logs/api.log"), "utf8");
    expect(log).toContain("/hubs/jobs");
    expect(log).not.toContain(token.split(".")[2]!);
    expect(log).not.toMatch(/ticket=[\w-]{20}/);
  });
});

describe.skipIf(!hasProgram("tmux", "-V"))("a terminal of 80 columns (needs tmux)", () => {
  const WAIT = { timeout: 30_000, interval: 100 };

  function open(...args: readonly string[]) {
    const env = {
      ...{ HOME: home.path, JOBYARD_URL: apiUrl, JOBYARD_CA_FILE: issuer.caFile },
      ...{ JOBYARD_CLIENT_ID: DEMO_APPLICATION.clientId, JOBYARD_CLIENT_SECRET: DEMO_APPLICATION.secret },
    };
    return openTerminal(`'${process.execPath}' '${CLI}' ${args.join(" ")}`, env, home.path);
  }

  async function shown(...args: readonly string[]): Promise<string> {
    await using terminal = await open(...args);
    await expect.poll(() => terminal.text(), WAIT).toContain("exit code 0");
    return await terminal.text();
  }

  it("shows a progress bar on one line, failures in red, and lists that fit", async () => {
    const gate = join(home.path, "gate");
    const batchId = await client.management.createBatch({
      tenantName: TENANT,
      batchName: "Year ends of all the divisions in the north",
    });
    const jobs = Array.from({ length: JOBS_OF_TERMINAL }, (_, number) => ({
      ...jobOf("Year", `Year end ${2000 + number} of the northern division`),
      parameters: { number, gate },
    }));
    const ids: string[] = [];
    for await (const result of client.management.submitJobs(jobs, batchId))
      if ("jobId" in result) ids.push(result.jobId);

    await using interrupted = await open("watch", batchId);
    await using terminal = await open("watch", batchId);
    const half = /^ {2}█+░+ 10\/20 jobs, \d+ running, 1 failed, \d+s$/;
    for (const one of [interrupted, terminal])
      await expect.poll(async () => (await one.text()).split("\n")[1], WAIT).toMatch(half);
    expect(await interrupted.isCursorVisible()).toBe(false);
    await interrupted.press("C-c");
    await expect.poll(() => interrupted.text(), WAIT).toContain("exit code 130");
    expect(await interrupted.isCursorVisible()).toBe(true);

    await writeFile(gate, "");
    await expect.poll(() => terminal.text(), WAIT).toContain("exit code 5");
    const lines = (await terminal.text()).split("\n");
    expect(lines).toEqual([
      `Batch ${batchId}`,
      expect.stringMatching(/^ {2}█+ 20\/20 jobs, 0 running, 1 failed, \d+s$/) as string,
      "  failed Year end 2003 of the northern division",
      `         ${ids[3]!}`,
      "         The ledger of the third year does not balance, see the report.",
      expect.stringMatching(/^ {9}at \S+ \(main\.mjs:\d+:\d+\)$/) as string,
      "20 jobs: 19 succeeded, 1 failed, 0 canceled",
      "exit code 5",
    ]);
    expect(lines.every(({ length }) => length <= COLUMNS)).toBe(true);
    expect(await terminal.painted()).toContain("\u001b[31mfailed\u001b[39m");
    expect(await terminal.isCursorVisible()).toBe(true);

    const list = await shown("jobs", batchId, "--limit", "8");
    for (const jobId of ids.slice(0, 8)) expect(list).toContain(jobId);
    expect(list).toMatch(/^job +state +name\n {2}type +attempts +ended\n/);
    expect(list).toContain(`${ids[3]!}  failed     Year end 2003 of th`);
    const one = await shown("jobs", ids[3]!);
    expect(one).toMatch(/ {2}start +attempt +worker +started +took +outcome\n.* failed JobFailed\n/);
    const batches = await shown("batches", "--limit", "3");
    expect(batches).toMatch(/^batch +name +state +priority +pool\n {2}created +complete\n/);
    expect(batches).toMatch(new RegExp(`^${batchId}  Year ends of all the d.*… +open +normal +default$`, "m"));
  });
});
