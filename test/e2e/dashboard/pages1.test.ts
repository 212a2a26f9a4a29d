import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Listing } from "../../../runtime/client/index.ts";
import { eventually } from "../../support/eventually.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { hasProgram } from "../../support/processes/has-program.ts";
import {
  CHROMIUM,
  goByKeys,
  startDashboard,
  TENANT,
  toasted,
  violationsOf,
  type Dashboard,
  type DashboardPage,
} from "./dashboard.ts";

const WAIT = { timeout: 60_000 };
const TYPED = "typed.zip";
const JOBS = {
  Fail: `throw new Error("no " + job.parameters.what);`,
};
const SCHEMA = {
  type: "object",
  properties: { count: { type: "integer", minimum: 1 }, note: { type: "string" }, list: { type: "array" } },
  required: ["count"],
};

describe.skipIf(!hasProgram(CHROMIUM, "--version"))(
  "jobs, submit, errors, dead letters, events (needs chromium)",
  () => {
    let dashboard: Dashboard;
    let admin: DashboardPage;
    beforeAll(async () => {
      dashboard = await startDashboard(JOBS);
      const zip = testPackage({ jobs: { Count: "return { output: job.parameters };" }, schemas: { Count: SCHEMA } });
      await dashboard.client.management.publishPackage(TENANT, TYPED, new Uint8Array(zip));
      admin = await dashboard.openAs("Ada Admin");
    });
    afterAll(() => dashboard[Symbol.asyncDispose]());

    const management = () => dashboard.client.management;
    const failed = async (jobName: string, what: string, tags: readonly string[] = []): Promise<string> => {
      const names = { tenantName: TENANT, jobType: "Fail", jobName, jobProcessorPackageName: "test.zip" };
      const jobId = await management().submitJob({
        ...{ ...names, parameters: { what }, tags: [...tags], retry: { maxAttempts: 1 } },
      });
      await dashboard.client.waitForJob(jobId);
      // Lists across batches show it a moment later.
      await eventually(async () => {
        const found: string[] = [];
        const list = dashboard.client.monitoring.findJobs(TENANT, { state: "failed", jobType: "Fail" });
        for await (const one of list) found.push(one.jobId);
        expect(found).toContain(jobId);
      }, WAIT);
      return jobId;
    };
    const firstPage = async <T>(list: Listing<T>): Promise<readonly T[]> => {
      for await (const { items } of list.pages()) return items;
      return [];
    };
    const starts = async (jobId: string): Promise<number> =>
      (await dashboard.client.monitoring.getJob(jobId)).history.length;
    const at = (path: string, more = ""): Promise<void> => admin.goto(`${path}?tenant=${TENANT}${more}`);

    it("lists jobs across batches by the filter in the address, and requeues those that are selected", async () => {
      const batchId = await management().createBatch({ tenantName: TENANT, batchName: "another" });
      const [one, two] = await Promise.all([
        failed("first of two", "water", ["wet"]),
        failed("second", "air", ["dry"]),
      ]);
      await management().submitJob(
        {
          tenantName: TENANT,
          jobType: "Count",
          jobName: "of a batch",
          jobProcessorPackageName: TYPED,
          parameters: { count: 1 },
        },
        batchId,
      );
      const { page } = admin;
      await at("/jobs", "&state=failed");
      await page.getByRole("link", { name: "first of two" }).waitFor(WAIT);
      await page.getByRole("link", { name: "second" }).waitFor(WAIT);
      expect(await page.getByRole("link", { name: "of a batch" }).count()).toBe(0);
      await page.getByLabel("Tag", { exact: true }).fill("wet");
      await page.getByLabel("Tag", { exact: true }).press("Enter");
      await page.waitForURL(/tag=wet/);
      await eventually(async () => expect(await page.getByRole("link", { name: "second" }).count()).toBe(0), WAIT);
      await page.getByLabel("Select first of two").check();
      await page.getByRole("button", { name: "Requeue the selected" }).click();
      await page.getByText(`jobyard requeue ${one}`).waitFor();
      await page.getByRole("dialog").getByRole("button", { name: "Requeue the selected" }).click();
      await toasted(page, "1 job will run again.");
      await eventually(async () => expect(await starts(one)).toBe(2), WAIT);
      expect(await starts(two)).toBe(1);

      await at("/jobs", "&type=Fail");
      await page.getByRole("searchbox", { name: /^Text/ }).fill("no AIR");
      await page.getByRole("searchbox", { name: /^Text/ }).press("Enter");
      await page.waitForURL(/text=no\+AIR|text=no%20AIR/);
      await page.getByRole("link", { name: "second" }).waitFor(WAIT);
      await eventually(
        async () => expect(await page.getByRole("link", { name: "first of two" }).count()).toBe(0),
        WAIT,
      );
      await at("/jobs", `&package=${TYPED}`);
      await page.getByRole("link", { name: "of a batch" }).waitFor(WAIT);
      expect(await page.getByRole("link", { name: "second" }).count()).toBe(0);

      await at("/jobs", "&tag=nothing-has-it");
      await page.getByText("No job fits this filter").waitFor(WAIT);
      await at("/jobs", `&batch=${batchId}`);
      await page.getByRole("link", { name: "of a batch" }).waitFor(WAIT);
    });

    it("shows a job beside the list where there is room, with its events", async () => {
      const { page } = admin;
      await at("/jobs", "&type=Fail&tag=dry");
      await page.getByRole("link", { name: "second" }).click(WAIT);
      const beside = page.getByRole("complementary", { name: "Job" });
      await beside.getByRole("heading", { name: "second" }).waitFor(WAIT);
      await beside.getByRole("tab", { name: "Events" }).click();
      await beside.getByText(/^start 1, attempt 1, on /).waitFor();
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(1280);
      for (const theme of ["light", "dark"] as const) expect(await violationsOf(page, theme)).toEqual([]);
      await page.keyboard.press("Escape");
      await beside.waitFor({ state: "detached" });
      await page.setViewportSize({ width: 1000, height: 900 });
      await page.getByRole("link", { name: "second" }).click();
      await page.waitForURL(/\/jobs\/demo\./);
      await page.setViewportSize({ width: 1280, height: 900 });
    });

    it("tags and requeues all jobs that match, in several states, as actions with counts; a running one can be stopped", async () => {
      const { page } = admin;
      const jobs = [await failed("one of many", "sand", ["many"]), await failed("two of many", "sand", ["many"])];
      const dialog = page.getByRole("dialog");
      const actions = page.getByRole("region", { name: "Actions" });
      const all = async (verb: string): Promise<void> => {
        await page.getByRole("button", { name: "Select all that match" }).click();
        await page.getByRole("button", { name: verb, exact: true }).click();
      };
      await at("/jobs", "&state=failed&tag=many");
      await page.getByRole("link", { name: "one of many" }).waitFor(WAIT);
      await page.getByRole("button", { name: "canceled", exact: true }).click();
      await page.waitForURL(/state=failed%2Ccanceled/);
      await page.getByRole("link", { name: "two of many" }).waitFor(WAIT);

      await all("Tag all");
      await dialog.getByLabel("Tags, separated by spaces").fill("seen");
      await dialog.getByText("--tags seen --tenant demo --tag many --state failed canceled").waitFor();
      await dialog.getByRole("button", { name: "Count them" }).click();
      await dialog.getByText("2 jobs fit now.").waitFor(WAIT);
      expect(await violationsOf(page, "light")).toEqual([]);
      await dialog.getByRole("button", { name: "Tag all", exact: true }).click();
      await actions.getByText("2 jobs fit, 2 done").waitFor(WAIT);
      for (const jobId of jobs)
        expect((await dashboard.client.monitoring.getJob(jobId)).tags).toEqual(["many", "seen"]);

      await at("/jobs", "&state=failed&tag=seen");
      await all("Requeue all");
      await dialog.getByRole("button", { name: "Requeue all", exact: true }).click();
      for (const jobId of jobs) await eventually(async () => expect(await starts(jobId)).toBe(2), WAIT);

      const delayed = Array.from({ length: 3_000 }, (_, index) => ({
        ...{ tenantName: TENANT, jobType: "Count", jobName: `later ${index}`, jobProcessorPackageName: TYPED },
        ...{ parameters: { count: 1 }, delayMs: 3_600_000, tags: ["later"] },
      }));
      for await (const result of management().submitJobs(delayed)) expect(result).toHaveProperty("jobId");
      await at("/jobs", "&state=delayed&tag=later");
      // Two chunks are submitted at a time, so the newest is not the last one.
      await page
        .getByRole("link", { name: /^later \d+$/ })
        .first()
        .waitFor(WAIT);
      await all("Cancel all");
      await dialog.getByRole("button", { name: "Cancel all", exact: true }).click();
      await actions.getByRole("button", { name: "Stop" }).click(WAIT);
      await dialog.getByText(/^jobyard actions stop demo\./).waitFor();
      await dialog.getByRole("button", { name: "Stop" }).click();
      await actions.getByText(/stopped$/).waitFor(WAIT);
      const [latest] = await firstPage(dashboard.client.monitoring.getActions(TENANT));
      expect(latest).toMatchObject({ kind: "cancel", state: "canceled", filter: { delayed: true, tag: "later" } });
      expect(latest?.counts.matched).toBeLessThan(3_000);

      await actions.getByRole("link", { name: "All actions" }).first().click();
      await page.getByRole("row", { name: /^stopped cancel/ }).waitFor(WAIT);
      await page.getByRole("row", { name: /done tag failed, canceled · tag many · → seen/ }).waitFor();
      for (const theme of ["light", "dark"] as const) expect(await violationsOf(page, theme)).toEqual([]);
    });

    it("gathers new jobs until the reader asks for them", async () => {
      const { page } = admin;
      await at("/jobs", "&type=Fail");
      await page.getByRole("link", { name: "second" }).first().waitFor(WAIT);
      await page.getByRole("status", { name: "Updates: live" }).waitFor(WAIT);
      await failed("a new one", "earth");
      await page.getByRole("button", { name: "1 new" }).waitFor(WAIT);
      expect(await page.getByRole("link", { name: "a new one" }).count()).toBe(0);
      await page.getByRole("button", { name: "1 new" }).click();
      await page.getByRole("link", { name: "a new one" }).waitFor();
    });

    it("keeps what is shown, with its open dialog, while the list cannot be read again", async () => {
      const { page } = admin;
      await at("/jobs", "&type=Fail");
      await page.getByLabel(/^Select second/).check(WAIT);
      await page.getByRole("button", { name: "Requeue the selected" }).click();
      const dialog = page.getByRole("dialog");
      await dialog.waitFor(WAIT);
      const away = { error: { code: "InvalidQuery", message: "It is refused now." } };
      await page.route(/\/v1\/tenants\/demo\/jobs\?/, (route) => route.fulfill({ status: 400, json: away }));
      await failed("another one", "earth");
      await page.getByText(/^The jobs cannot be shown/).waitFor(WAIT);
      expect(await dialog.count()).toBe(1);
      await page.unroute(/\/v1\/tenants\/demo\/jobs\?/);
      await failed("one more", "earth");
      await eventually(async () => expect(await page.getByText(/^The jobs cannot be shown/).count()).toBe(0), WAIT);
      await dialog.getByText(/^jobyard requeue demo\./).waitFor(WAIT);
      await page.keyboard.press("Escape");
      expect(await page.getByLabel(/^Select second/).isChecked()).toBe(true);
    });

    it("submits a job from a form made of its schema, and says by field what is wrong", async () => {
      const { page } = admin;
      await at("/submit", "&type=Count");
      const count = page.getByLabel("count");
      await count.fill("none");
      await page.getByLabel("list").fill("[1, 2]");
      await page.getByLabel("Tags").fill("from-a-form b:1");
      await page.getByRole("button", { name: "Submit", exact: true }).click();
      await page.getByText("must be a whole number", { exact: true }).waitFor(WAIT);
      expect(await count.getAttribute("aria-invalid")).toBe("true");
      await count.fill("3");
      await page.getByRole("button", { name: "Submit", exact: true }).click();
      await page.waitForURL(/\/jobs\/demo\./, WAIT);
      const jobId = decodeURIComponent(new URL(page.url()).pathname.slice("/jobs/".length));
      const job = await dashboard.client.monitoring.getJob(jobId);
      expect(job).toMatchObject({ parameters: { count: 3, list: [1, 2] }, tags: ["from-a-form", "b:1"] });
    });

    it("submits many from CSV and from lines of JSON, and shows errors by line before anything is sent", async () => {
      const { page, requests } = admin;
      await at("/submit", "&type=Count&tab=many");
      const text = page.getByLabel("CSV or lines of JSON");
      const before = requests.length;
      await text.fill('jobName,count,note,tags\none,1,"a ""b""\nc",\ntwo,zero,,\nthree,3,,b!d\n');
      await page.getByText("line 4").waitFor(WAIT);
      await page.getByText("parameters.count must be a whole number").waitFor();
      await page.getByText("line 5").waitFor();
      expect(await page.getByRole("button", { name: /Submit 1 job/ }).getAttribute("aria-disabled")).toBe("true");
      expect(requests.slice(before).filter((one) => one.startsWith("POST"))).toEqual([]);
      await page.getByLabel("Leave out the lines with errors").check();
      await page.getByLabel("Batch", { exact: true }).selectOption("new");
      await page.getByLabel("Its name").fill("From CSV");
      await page.getByRole("button", { name: "Submit 1 job" }).click();
      await page.getByRole("link", { name: "See the batch" }).click(WAIT);
      await page.waitForURL(/\/batches\/demo/, WAIT);
      const batchId = decodeURIComponent(new URL(page.url()).pathname.slice("/batches/".length));
      const jobs: unknown[] = [];
      for await (const job of dashboard.client.monitoring.getJobsFromBatch(batchId)) jobs.push(job);
      expect(jobs).toMatchObject([{ jobName: "one", parameters: { count: 1, note: 'a "b"\nc' } }]);

      await at("/submit", "&type=Count&tab=many");
      await text.fill('{"parameters":{"count":1}}\n\n{"parameters":{"count":0}}\nnot JSON\n');
      await page.getByText("line 3").waitFor(WAIT);
      await page.getByText("parameters.count must be at least 1").waitFor();
      await page.getByText(/^is not JSON/).waitFor();
    });

    it("groups failed jobs by what went wrong, and requeues a group", async () => {
      const { page } = admin;
      const jobId = await failed("in a group", "fire");
      const before = await starts(jobId);
      await at("/errors");
      const row = page.getByRole("row", { name: /no fire/ });
      await row.waitFor(WAIT);
      await row.getByText("new", { exact: true }).waitFor(WAIT);
      await eventually(async () => expect(await page.getByText(/failed jobs?, 1 kind/).count()).toBe(1), WAIT);
      await row.getByRole("button", { name: "Requeue" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Requeue" }).click();
      await toasted(page, /jobs? will run again/);
      await eventually(async () => expect(await starts(jobId)).toBe(before + 1), WAIT);
    });

    it("shows what a batch failed of, requeues a kind, and says which webhook is told", async () => {
      const { page } = admin;
      const url = `${dashboard.url}/v1/nowhere`;
      await management().putWebhook(TENANT, "ends", { url, events: ["batchCompleted", "jobsFailed"] });
      const batchId = await management().createBatch({ tenantName: TENANT, batchName: "with failures" });
      const names = { tenantName: TENANT, jobType: "Fail", jobName: "x", jobProcessorPackageName: "test.zip" };
      const request = { ...names, parameters: { what: "earth" }, retry: { maxAttempts: 1 } };
      const jobId = await management().submitJob(request, batchId);
      await dashboard.client.waitForJob(jobId);
      // The end is announced also where there is a message about the failure already.
      await eventually(async () => {
        const latest = await firstPage(dashboard.client.monitoring.getWebhookDeliveries(TENANT, "ends"));
        expect(latest).toContainEqual(expect.objectContaining({ batchId, eventType: "jobsFailed" }));
      }, WAIT);
      await admin.goto(`/batches/${encodeURIComponent(batchId)}`);
      const follows = page.getByRole("region", { name: "What follows" });
      await follows.getByText("jobsFailed").waitFor(WAIT);
      await follows.getByText("is told when the batch is closed and its last job has ended").waitFor(WAIT);
      const failures = page.getByRole("region", { name: "Failures" });
      await failures.getByText("no earth").waitFor(WAIT);
      await failures.getByRole("button", { name: "Requeue" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Requeue" }).click();
      await eventually(async () => expect(await starts(jobId)).toBe(2), WAIT);
      await dashboard.client.waitForJob(jobId);
      for (const theme of ["light", "dark"] as const) expect(await violationsOf(page, theme)).toEqual([]);
      await management().deleteWebhook(TENANT, "ends");
    });

    it("shows dead letters of jobs apart from unreadable messages, and removes one", async () => {
      const { page } = admin;
      const jobId = await failed("for good", "luck");
      await at("/dead-letters");
      const row = page.getByRole("row").filter({ has: page.getByTitle(jobId) });
      await row.getByRole("button", { name: "Remove" }).click(WAIT);
      await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
      await toasted(page, "The dead letter is removed.");
      await eventually(async () => expect(await row.count()).toBe(0), WAIT);
      expect((await dashboard.client.monitoring.getJob(jobId)).state).toBe("failed");
      await page.getByRole("tab", { name: "Unreadable" }).click();
      await page.getByText("No message is unreadable").waitFor(WAIT);
    });

    it("shows events as they happen, and waits while it is paused", async () => {
      const { page } = admin;
      await at("/events");
      // The stream may be open before the page is there, and the page shows what comes from then on.
      await page.getByRole("heading", { name: "Events", level: 1 }).waitFor(WAIT);
      await page.getByRole("status", { name: "Updates: live" }).waitFor(WAIT);
      await failed("as it happens", "time");
      await page.getByRole("row", { name: /failed as it happens/ }).waitFor(WAIT);
      await page.getByRole("button", { name: "started", exact: true }).click();
      await eventually(async () => expect(await page.getByRole("row", { name: /failed as it/ }).count()).toBe(0), WAIT);
      await page.getByRole("row", { name: /started as it happens/ }).waitFor(WAIT);
      await page.getByRole("button", { name: "Pause" }).click();
      await failed("while it is paused", "time");
      await page.getByRole("button", { name: /Go on \(\d+ new\)/ }).click(WAIT);
      await page.getByRole("row", { name: /while it is paused/ }).waitFor(WAIT);
    });

    it("greys what a grant forbids, with the reason", async () => {
      const { page, context } = await dashboard.openAs("Rita Reader", `/submit?tenant=${TENANT}&type=Count`);
      await page.getByText(/You can look, and not submit/).waitFor(WAIT);
      expect(await page.getByRole("button", { name: /^Submit/ }).getAttribute("aria-disabled")).toBe("true");
      await page.goto(`${dashboard.url}/dead-letters?tenant=${TENANT}`);
      await page
        .getByTitle(/This needs the grant "manage"/)
        .first()
        .waitFor(WAIT);
      await page.getByRole("tab", { name: "Unreadable" }).click();
      await page.getByText(/This needs the app role Jobs.Admin/).waitFor(WAIT);
      await context.close();
    });

    it("has nothing for axe-core to find, in both themes", async () => {
      const { page, errors } = admin;
      const places: readonly (readonly [path: string, more: string, shown: string])[] = [
        ["/jobs", "", "Jobs"],
        ["/submit", "&type=Count", "Submit"],
        ["/submit", "&type=Count&tab=many", "Submit"],
        ["/errors", "", "Errors"],
        ["/dead-letters", "", "Dead letters"],
        ["/events", "", "Events"],
      ];
      for (const [path, more, title] of places) {
        await at(path, more);
        await page.getByRole("heading", { name: title, level: 1 }).waitFor(WAIT);
        await eventually(async () => expect(await page.locator("main [aria-busy=true]").count()).toBe(0), WAIT);
        for (const theme of ["light", "dark"] as const)
          expect(await violationsOf(page, theme), path + more).toEqual([]);
      }
      for (const [key, title] of Object.entries({
        j: "Jobs",
        e: "Errors",
        s: "Submit",
        d: "Dead letters",
        v: "Events",
      }))
        await goByKeys(page, key, title);
      expect(errors).toEqual([]);
    });
  },
);
