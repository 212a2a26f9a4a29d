/** What pages do while the API does not answer, and after: they show what is true again by themselves. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ADMIN_APPLICATION } from "../../../runtime/local/identity/principals.ts";
import type { JobServiceClient } from "../../../runtime/client/index.ts";
import { eventually } from "../../support/eventually.ts";
import { hasProgram } from "../../support/processes/has-program.ts";
import { CHROMIUM, startDashboard, TENANT, type Dashboard } from "./dashboard.ts";

const WAIT = { timeout: 60_000 };
const JOBS = {
  Quick: "return {};",
  Talks: `
    for (let line = 1; !context.signal.aborted; line++) {
      console.log("line " + line);
      if (line % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 200));
    }`,
};
const AWAY = {
  status: 503,
  contentType: "application/json",
  body: JSON.stringify({ error: { code: "StorageUnavailable", message: "The storage does not answer." } }),
};

describe.skipIf(!hasProgram(CHROMIUM, "--version"))("the dashboard in an outage (needs chromium)", () => {
  let dashboard: Dashboard;
  let admin: JobServiceClient;
  beforeAll(async () => {
    dashboard = await startDashboard(JOBS);
    admin = await dashboard.clientOf(ADMIN_APPLICATION);
  });
  afterAll(() => dashboard[Symbol.asyncDispose]());

  it("comes back by itself when the API was restarted, with what happened meanwhile and the log of a running job", async () => {
    const jobId = await dashboard.submit("Talks");
    const list = await dashboard.openAs("Ada Admin", `/batches?tenant=${TENANT}`);
    const job = await dashboard.openAs("Ada Admin", `/jobs/${encodeURIComponent(jobId)}?tab=log`);
    for (const { page } of [list, job]) await page.getByRole("status", { name: "Updates: live" }).waitFor(WAIT);
    const linesShown = async (): Promise<number> =>
      Number(/line (\d+)\s*$/.exec(await job.page.getByRole("log").innerText())?.[1]);
    await eventually(async () => expect(await linesShown()).toBeGreaterThan(0), WAIT);

    process.kill(dashboard.run.programs().get("api")!, "SIGKILL");
    await eventually(async () => {
      await admin.management.createBatch({ tenantName: TENANT, batchName: "after the restart" });
    }, WAIT);
    // The page may have read its list before: a batch without jobs makes no event.
    await dashboard.submit("Quick");
    await list.page.getByText("after the restart").first().waitFor(WAIT);
    await list.page.getByRole("status", { name: "Updates: live" }).waitFor(WAIT);
    const { length } = await admin.monitoring.getLog(jobId).then((text) => text.trimEnd().split("\n"));
    await eventually(async () => expect(await linesShown()).toBeGreaterThan(length), WAIT);
    await eventually(async () => expect(await job.page.getByRole("alert").count()).toBe(0), WAIT);

    await admin.management.cancelJob(jobId);
    await list.context.close();
    await job.context.close();
  });

  it("loads itself again when a part of its code does not come, and says what is wrong when that does not help", async () => {
    const { page, context } = await dashboard.openAs("Ada Admin", `/batches?tenant=${TENANT}`);
    await page.getByRole("heading", { name: "Batches", exact: true }).waitFor(WAIT);
    // As while the API restarts.
    await page.route(/\/assets\/workers-/, (route) => route.abort("connectionrefused"), { times: 1 });
    await page.getByRole("link", { name: "Workers", exact: true }).click();
    await page.getByRole("heading", { name: "Workers", level: 1 }).waitFor(WAIT);
    expect(new URL(page.url()).search).toBe(`?tenant=${TENANT}`);
    // As in a release that lacks a file.
    const lacks = /\/assets\/(timers|retention)-/;
    await page.route(lacks, (route) => route.fulfill({ status: 404 }));
    await page.getByRole("link", { name: "Timers", exact: true }).click();
    const error = page.getByRole("alert").filter({ hasText: "This page cannot be shown." });
    await error.waitFor(WAIT);
    // The other pages go on.
    await page.getByRole("link", { name: "Batches", exact: true }).click();
    await page.getByRole("heading", { name: "Batches", exact: true }).waitFor(WAIT);
    await page.goto(`${dashboard.url}/docs?guide=retention`);
    await error.waitFor(WAIT);
    await page.unroute(lacks);
    await error.getByRole("button", { name: "Try again" }).click();
    await page.getByText("What is left of jobs is removed").waitFor(WAIT);
    await context.close();
  });

  it("shows a page whose caller cannot be read, asks now and then, and knows the caller when the API does", async () => {
    const { page, context, requests, errors } = await dashboard.openAs("Ada Admin", `/batches?tenant=${TENANT}`);
    await page.getByRole("button", { name: /Signed in as \S/ }).waitFor(WAIT);
    await page.route(/\/v1\/me$/, (route) => route.fulfill(AWAY));
    await page.reload();
    await page.getByRole("heading", { name: "Batches", exact: true }).waitFor(WAIT);
    await page.getByRole("status", { name: "Updates: live" }).waitFor(WAIT);
    const asked = requests.filter((one) => one.endsWith("/v1/me")).length;
    // Three tries of a read, for the frame, for the page, and when the stream is open.
    expect(asked).toBeLessThan(20);
    await page.unroute(/\/v1\/me$/);
    await page.getByRole("button", { name: /Signed in as \S/ }).waitFor(WAIT);
    expect(errors).toEqual([]);
    await context.close();
  });

  it("says that the tenants cannot be read, and not that there are none", async () => {
    const { page, context } = await dashboard.openAs("Ada Admin");
    await page.getByRole("heading", { name: "Overview" }).waitFor(WAIT);
    await page.evaluate("localStorage.clear()");
    const tenants = /\/v1\/tenants(\?|$)/;
    await page.route(tenants, (route) => route.fulfill(AWAY));
    await page.goto(`${dashboard.url}/`);
    await page.getByText("Your tenants cannot be read.").waitFor(WAIT);
    expect(await page.getByText("You have no tenant yet").count()).toBe(0);
    await page.unroute(tenants);
    await page.getByRole("heading", { name: "Overview" }).waitFor(WAIT);
    await context.close();
  });

  it("submits once when the answer was lost and the reader submits again", async () => {
    const { page, context } = await dashboard.openAs("Ada Admin", `/submit?tenant=${TENANT}&type=Quick`);
    await page.getByLabel("Name").fill("sent twice");
    const submits = /\/v1\/jobs$/;
    await page.route(submits, async (route) => {
      await route.fetch();
      await route.abort();
    });
    const submit = page.getByRole("button", { name: "Submit", exact: true });
    await submit.click();
    await page.getByText(/It is not known whether it was submitted/).waitFor(WAIT);
    await page.unroute(submits);
    await submit.click();
    await page.waitForURL(/\/jobs\/demo\./, WAIT);
    const jobId = decodeURIComponent(new URL(page.url()).pathname.slice("/jobs/".length));
    const { batchId } = await admin.monitoring.getJob(jobId);
    const sent: string[] = [];
    for await (const job of admin.monitoring.getJobsFromBatch(batchId))
      if (job.jobName === "sent twice") sent.push(job.jobId);
    expect(sent).toEqual([jobId]);
    await context.close();
  });

  it("signs in by the link of npm start when the API answers later, and its secret does not stay in the address", async () => {
    const { page, context } = await dashboard.open("about:blank");
    const facts = /\/v1\/auth$/;
    await page.route(facts, (route) => route.fulfill(AWAY));
    await page.goto(dashboard.link);
    await page.getByText("The sign-in did not work.").waitFor(WAIT);
    expect(page.url()).not.toContain("#");
    await page.unroute(facts);
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("heading", { name: "Overview" }).waitFor(WAIT);
    await context.close();
  });
});
