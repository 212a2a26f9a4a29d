import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { unzip } from "../../support/packages/unzip.ts";
import { cpuSeconds } from "../../support/processes/cpu-seconds.ts";
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

/** Compressed, with everything that the first page needs. */
const FIRST_USE_MAX_BYTES = 250 * 1024;
/** In a minute. */
const IDLE_REQUESTS_MAX = 6;
const OPEN_PAGES = [
  "/",
  "/jobs",
  "/batches",
  "/errors",
  "/timers",
  "/workers",
  "/dead-letters",
  "/events",
  "/health",
  "/access",
];
/** Of a core, while a job ends each second: four times what it is on a calm machine. `npm run bench -- pages` measures it. */
const OPEN_PAGES_MAX_CPU = 0.4;
const MEASURED_JOBS = 8;
const HOUR_MS = 60 * 60_000;
const WAIT = { timeout: 60_000 };
const HOSTILE = `"><img src=x onerror=alert(1)><script>alert(2)</script> \u001b[2J`;

const JOBS = {
  Sum: "return { output: job.parameters.rows.reduce((all, row) => all + row.total.value, 0) };",
  Wait: "while (!context.signal.aborted) await new Promise((resolve) => setTimeout(resolve, 20)); throw new Error('stopped');",
  Hostile: `
    console.log(${JSON.stringify(HOSTILE)}); console.log("\\u001b[31mred\\u001b[0m");
    fs.writeFileSync(context.outputPath + "/page.html", ${JSON.stringify(HOSTILE)});
    fs.writeFileSync(context.outputPath + "/<img src=x onerror=alert(3)>.txt", "a file");
    return { output: ${JSON.stringify({ [HOSTILE]: HOSTILE })} };`,
};

describe.skipIf(!hasProgram(CHROMIUM, "--version"))("the dashboard (needs chromium)", () => {
  let dashboard: Dashboard;
  beforeAll(async () => {
    dashboard = await startDashboard(JOBS);
  });
  afterAll(() => dashboard[Symbol.asyncDispose]());

  it("the link of npm start signs the developer in once, and its secret does not stay in the address", async () => {
    const { page, context, errors } = await dashboard.open(dashboard.link);
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await page.getByRole("button", { name: /Signed in as ada/ }).waitFor();
    expect(page.url()).not.toMatch(/one-time|#./);
    await page.reload();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    expect(await context.cookies()).toEqual([]);
    expect(errors).toEqual([]);
    await context.close();

    const again = await dashboard.open(dashboard.link);
    await again.page.getByRole("heading", { name: "Sign in" }).waitFor();
    await again.context.close();
  });

  it("loads little, asks little when nothing happens, and renews its token", async () => {
    const { page, context, requests, errors } = await dashboard.open("about:blank");
    await page.clock.install();
    let bytes = 0;
    page.on("requestfinished", (request) => {
      if (new URL(request.url()).pathname.startsWith("/assets/"))
        void request.sizes().then(({ responseBodySize }) => (bytes += responseBodySize));
    });
    await page.goto(dashboard.url);
    await page.getByText("Ada Admin").click();
    await page.getByRole("status", { name: "Updates: live" }).waitFor();
    // The stream of events is never idle.
    await page.waitForLoadState("networkidle", { timeout: 5_000 }).catch(() => undefined);
    expect(bytes).toBeGreaterThan(10_000);
    expect(bytes).toBeLessThan(FIRST_USE_MAX_BYTES);

    // Half a minute of the page is a second here. Without an event before it, and with a whole minute, its stream would seem
    // to be silent, because heartbeats come in real time. The event of the job may come late, into the half minute.
    const halfMinutes: (readonly string[])[] = [];
    for (let count = 0; count < 3; count++) {
      const jobId = await dashboard.submit("Sum", { rows: [] });
      await dashboard.client.waitForJob(jobId);
      await page.clock.runFor(5_000);
      const before = requests.length;
      await page.clock.runFor(30_000);
      halfMinutes.push(requests.slice(before));
    }
    const [idle = []] = halfMinutes.sort((a, b) => a.length - b.length);
    expect(idle.length, idle.join(", ")).toBeLessThanOrEqual(IDLE_REQUESTS_MAX / 2);

    // The access token ends after an hour.
    await page.clock.fastForward(HOUR_MS);
    await page.getByRole("link", { name: "Batches" }).first().click();
    await page.getByRole("heading", { name: "Batches", exact: true }).waitFor();
    await eventually(async () => expect(await page.getByRole("alert").count()).toBe(0), WAIT);
    expect(errors).toEqual([]);
    await context.close();
  });

  it("shows a failed job with its source line; with other parameters it succeeds, live", async () => {
    const jobId = await dashboard.submit("Sum", { rows: [{}] }, { jobName: "October" });
    await dashboard.client.waitForJob(jobId);
    const { page, context, errors } = await dashboard.openAs("Sam Submitter", `/jobs/${jobId}`);
    await page.getByRole("heading", { name: "October" }).waitFor();
    await page.getByText(/Cannot read properties of undefined/).waitFor();
    for (const theme of ["light", "dark"] as const) expect(await violationsOf(page, theme)).toEqual([]);

    await page.getByRole("button", { name: "Edit and submit" }).click();
    const parameters = page.getByLabel("Parameters, as JSON");
    await parameters.fill("{ not JSON");
    await page
      .getByText(/This is not JSON/)
      .first()
      .waitFor();
    await parameters.fill('{ "rows": [{ "total": { "value": 42 } }] }');
    expect(await violationsOf(page, "light")).toEqual([]);
    await page.getByRole("button", { name: "Submit", exact: true }).click();
    await page.waitForURL((url) => url.pathname.startsWith("/jobs/") && !url.pathname.endsWith(jobId));
    const id = decodeURIComponent(new URL(page.url()).pathname.slice("/jobs/".length));
    expect(await dashboard.client.waitForJob(id)).toMatchObject({ state: "succeeded", output: 42 });
    await page.getByLabel("the output", { exact: true }).getByText("42", { exact: true }).waitFor(WAIT);
    expect(errors).toEqual([]);
    await context.close();
  });

  it("cancels and requeues after it has asked, with the command that does the same", async () => {
    const jobId = await dashboard.submit("Wait");
    const { page, context } = await dashboard.openAs("Sam Submitter", `/jobs/${jobId}`);
    await page.getByText("running").first().waitFor(WAIT);
    await page.getByRole("button", { name: "Cancel" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText(`jobyard cancel ${jobId}`).waitFor();
    await dialog.getByRole("button", { name: "Cancel" }).click();
    expect((await dashboard.client.waitForJob(jobId)).state).toBe("canceled");
    await page.getByText("canceled").first().waitFor(WAIT);
    await page.getByRole("button", { name: "Requeue" }).click();
    await dialog.getByRole("button", { name: "Requeue" }).click();
    await toasted(page, "The job is queued again.");
    await eventually(async () => {
      expect((await dashboard.client.monitoring.getJob(jobId)).state).toBe("running");
    }, WAIT);
    await dashboard.client.management.cancelJob(jobId);
    await context.close();
  });

  it("runs no script of names, logs, outputs and files", async () => {
    const batchId = await dashboard.client.management.createBatch({
      tenantName: TENANT,
      batchName: `<img src=x onerror=alert(4)>`,
    });
    const jobName = `<script>alert(5)</script> ${"long ".repeat(20)}`.trim();
    const jobId = await dashboard.submit("Hostile", { [HOSTILE.slice(0, 40)]: "<b>x</b>" }, { jobName, batchId });
    await dashboard.client.waitForJob(jobId);
    const opened = await dashboard.openAs("Sam Submitter", `/batches/${batchId}`);
    const { page, context, errors } = opened;
    await page.getByText("<script>alert(5)</script>").first().waitFor();
    for (const tab of ["log", "parameters", "output", "artifacts&file=page.html", "raw"]) {
      await opened.goto(`/jobs/${jobId}?tab=${tab}`);
      await page.getByRole("tabpanel").waitFor();
      if (tab === "log") await page.getByText("red").waitFor();
      if (tab.startsWith("artifacts")) await page.getByText(HOSTILE.slice(0, 30)).waitFor();
    }
    await opened.goto(`/jobs/${jobId}?tab=artifacts`);
    const downloading = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download all as one ZIP" }).click();
    const zip = await unzip(await (await downloading).path());
    expect([...zip.keys()].sort()).toEqual(["_img src=x onerror=alert(3)_.txt", "page.html"]);
    expect(zip.get("page.html")?.toString()).toBe(HOSTILE);
    await page.setViewportSize({ width: 360, height: 740 });
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
    expect(errors).toEqual([]);
    await context.close();
  });

  it("greys what a grant forbids, with the reason; another tenant's user sees nothing", async () => {
    const jobId = await dashboard.submit("Sum", { rows: [] });
    await dashboard.client.waitForJob(jobId);
    const reader = await dashboard.openAs("Rita Reader", `/jobs/${jobId}`);
    const requeue = reader.page.getByRole("button", { name: /^Requeue\s*\. This needs the grant/ });
    await requeue.waitFor();
    expect(await requeue.getAttribute("aria-disabled")).toBe("true");
    // Playwright would wait until it is enabled.
    await requeue.click({ force: true });
    await toasted(reader.page, /This needs the grant "submit" on demo/);
    await reader.context.close();

    const partner = await dashboard.openAs("Pat Partner", `/jobs/${jobId}`);
    await partner.page.getByRole("alert").getByText("JobNotFound").waitFor();
    await partner.page.getByRole("alert").getByText("request").waitFor();
    await partner.goto("/batches?tenant=demo");
    await partner.page
      .getByRole("main")
      .getByText(/No batches yet|Not|Forbidden/)
      .first()
      .waitFor();
    expect(await partner.page.getByRole("main").getByText("a Sum").count()).toBe(0);
    await partner.context.close();
  });

  it("has nothing for axe-core to find on the pages, in both themes, and every page by keyboard", async () => {
    const { page, context, errors } = await dashboard.openAs("Ada Admin");
    for (const name of ["Overview", "Batches"]) {
      await page.getByRole("link", { name }).first().click();
      await page.getByRole("heading", { name }).waitFor();
      await page.getByRole("status", { name: "Updates: live" }).waitFor(WAIT);
      for (const theme of ["light", "dark"] as const) expect(await violationsOf(page, theme), name).toEqual([]);
    }
    await goByKeys(page, "o", "Overview");
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox").fill("batch");
    expect(await violationsOf(page, "light")).toEqual([]);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Batches", exact: true }).waitFor();
    await page.keyboard.press("Escape");
    expect(errors).toEqual([]);
    await context.close();
  });

  it("costs the API little CPU with ten pages open while jobs end", async () => {
    const pages: DashboardPage[] = [];
    for (const path of OPEN_PAGES) {
      const opened = await dashboard.openAs("Ada Admin", `${path}?tenant=${TENANT}`);
      await opened.page.getByRole("status", { name: "Updates: live" }).waitFor();
      pages.push(opened);
    }
    const pid = dashboard.run.programs().get("api")!;
    const [cpuBefore, before] = [await cpuSeconds(pid), performance.now()];
    for (let count = 0; count < MEASURED_JOBS; count++) {
      const second = sleep(1_000);
      await dashboard.client.waitForJob(await dashboard.submit("Sum", { rows: [] }));
      await second;
    }
    const taken = (await cpuSeconds(pid)) - cpuBefore;
    expect(taken / ((performance.now() - before) / 1_000)).toBeLessThan(OPEN_PAGES_MAX_CPU);
    for (const { context, errors } of pages) {
      expect(errors).toEqual([]);
      await context.close();
    }
  });
});
