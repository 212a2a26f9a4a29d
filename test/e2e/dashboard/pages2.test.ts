/** The pages about what runs jobs: timers, packages, workers, webhooks, access, health. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobServiceClient } from "../../../runtime/client/index.ts";
import { ADMIN_APPLICATION } from "../../../runtime/local/identity/principals.ts";
import { eventually } from "../../support/eventually.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { hasProgram } from "../../support/processes/has-program.ts";
import {
  CHROMIUM,
  PACKAGE,
  startDashboard,
  TENANT,
  violationsOf,
  type Dashboard,
  type DashboardPage,
} from "./dashboard.ts";

const WAIT = { timeout: 60_000 };
const TIMED = "timed.zip";
/** Every Sunday, at a time that the clocks leave out in spring. A hundred weeks have both changes. */
const TIMER = { timerName: "weekly", cron: "0 30 2 * * 0", timeZone: "Europe/Vienna" };
const SECRET = "swordfish-4711";

/** Presses the button, and the same verb in the dialog that it opens. */
async function confirm({ page }: DashboardPage, verb: string): Promise<string> {
  await page.getByRole("button", { name: verb, exact: true }).first().click();
  const dialog = page.getByRole("dialog");
  const command = await dialog.locator(".cli code").textContent();
  await dialog.getByRole("button", { name: verb, exact: true }).click();
  await dialog.waitFor({ state: "detached" });
  return command ?? "";
}

async function allOf<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function expectAccessible({ page }: DashboardPage): Promise<void> {
  for (const theme of ["light", "dark"] as const) expect(await violationsOf(page, theme)).toEqual([]);
}

describe.skipIf(!hasProgram(CHROMIUM, "--version"))("the dashboard's pages of operators (needs chromium)", () => {
  let dashboard: Dashboard;
  let admin: JobServiceClient;
  let ada: DashboardPage;
  beforeAll(async () => {
    dashboard = await startDashboard({ First: "return { output: 1 };" });
    const zip = new Uint8Array(testPackage({ jobs: { weekly: "return { output: 1 };" }, timers: [TIMER] }));
    await dashboard.client.management.publishPackage(TENANT, TIMED, zip);
    admin = await dashboard.clientOf(ADMIN_APPLICATION);
    ada = await dashboard.openAs("Ada Admin", `/timers?tenant=${TENANT}`);
  });
  afterAll(() => dashboard[Symbol.asyncDispose]());

  it("runs and pauses a timer, shows its ticks and where the clocks change", async () => {
    const { page } = ada;
    await page.getByRole("link", { name: "weekly" }).waitFor(WAIT);
    await expectAccessible(ada);
    await page.getByRole("link", { name: "weekly" }).click();
    await page.getByText("clocks go forward 1 h").first().waitFor();
    await page.getByText("clocks go back 1 h").first().waitFor();

    await page.getByRole("button", { name: "Run now" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText(`jobyard timers run timed.weekly --tenant ${TENANT}`, { exact: true }).waitFor();
    await dialog.getByLabel(/^Parameters/).fill('{ "day": 7 }');
    await dialog.getByText(`jobyard timers run timed.weekly --tenant ${TENANT} --parameters '{"day":7}'`).waitFor();
    expect(await violationsOf(page, "light")).toEqual([]);
    await dialog.getByRole("button", { name: "Run now" }).click();
    await page.waitForURL((url) => url.pathname.startsWith("/jobs/"));
    const jobId = decodeURIComponent(new URL(page.url()).pathname.slice("/jobs/".length));
    await dashboard.client.waitForJob(jobId);
    const { parameters } = await dashboard.client.monitoring.getJob(jobId);
    expect(parameters).toMatchObject({ trigger: "manual", parameters: { day: 7 } });
    await page.goBack();
    await page.getByRole("link", { name: /: ran, run by hand/ }).waitFor(WAIT);
    await expectAccessible(ada);

    await confirm(ada, "Pause");
    await page.getByRole("button", { name: "Resume" }).waitFor();
    const timer = { tenantName: TENANT, packageName: TIMED, timerName: "weekly" };
    expect((await dashboard.client.timers.get(timer)).enabled).toBe(false);
    await confirm(ada, "Resume");
    await page.getByRole("button", { name: "Pause" }).waitFor();
    expect((await dashboard.client.timers.get(timer)).enabled).toBe(true);
  });

  it("publishes a ZIP after the API has judged it, restores a version, and deletes a package", async () => {
    const { page } = ada;
    await ada.goto(`/packages?tenant=${TENANT}`);
    await page.getByRole("link", { name: PACKAGE }).waitFor(WAIT);
    await expectAccessible(ada);
    await page.getByRole("link", { name: PACKAGE }).click();
    const [old] = await dashboard.client.monitoring.getPackageVersions(TENANT, PACKAGE);

    const publish = async (name: string, buffer: Buffer): Promise<void> => {
      await page.getByRole("button", { name: "Publish a version" }).click();
      await page.getByLabel(/A ZIP from/).setInputFiles({ name, mimeType: "application/zip", buffer });
      await page.getByRole("dialog").getByRole("button", { name: "Publish", exact: true }).click();
    };
    await publish("bad.zip", Buffer.from("no ZIP"));
    await page.getByRole("dialog").getByRole("alert").getByText("PackageCorrupt").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Back" }).click();
    await publish("good.zip", testPackage({ jobs: { Second: "return { output: 2 };" } }));
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await eventually(async () => expect(await page.getByRole("row").count()).toBe(3), WAIT);
    await expectAccessible(ada);

    await confirm(ada, "Restore");
    expect((await dashboard.client.monitoring.getPackage(TENANT, PACKAGE)).sha256).toBe(old?.sha256);
    await page.getByRole("tab", { name: /Job types/ }).click();
    await page.getByRole("region", { name: "First" }).waitFor(WAIT);
    await expectAccessible(ada);

    await page.getByRole("tab", { name: "Settings" }).click();
    await page.getByRole("button", { name: "Set another" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("API_KEY");
    await dialog.getByRole("checkbox").check();
    await dialog.getByLabel("Value").fill(SECRET);
    expect(await dialog.locator(".cli code").textContent()).not.toContain(SECRET);
    await dialog.getByRole("button", { name: "Set", exact: true }).click();
    await page.getByText("secret, set").waitFor(WAIT);
    expect(await page.content()).not.toContain(SECRET);

    await confirm(ada, "Delete");
    await page.getByRole("heading", { name: "Packages", exact: true }).waitFor();
    await expect(dashboard.client.monitoring.getPackage(TENANT, PACKAGE)).rejects.toMatchObject({
      code: "PackageNotFound",
    });
  });

  it("drains a worker, and shows the health of all parts", async () => {
    const { page } = ada;
    await ada.goto(`/workers?tenant=${TENANT}`);
    await page.getByText("works").first().waitFor(WAIT);
    await expectAccessible(ada);
    expect(await confirm(ada, "Drain")).toMatch(/^jobyard workers --drain default\/worker-\d$/);
    const drains = admin.monitoring.getSystemAudit({ operation: "drainWorker" });
    expect(await allOf(drains)).toMatchObject([{ outcome: "done" }]);
    await ada.goto(`/health?tenant=${TENANT}`);
    await page.getByText("Storage and message broker").waitFor(WAIT);
    await page.getByText(/clock agrees/).waitFor();
    await page.getByText(/^Last sweep/).waitFor();
    await expectAccessible(ada);
  });

  it("shows the console of each program, and restarts one, also the API that answers", async () => {
    const { page } = ada;
    await ada.goto(`/health?tenant=${TENANT}`);
    await page.getByRole("button", { name: "Console of worker-1" }).click(WAIT);
    await page.getByRole("log").getByText("receiving").first().waitFor(WAIT);
    await expectAccessible(ada);
    for (const name of ["storage", "bus", "api"]) {
      const row = page
        .locator(".lines > div")
        .filter({ has: page.getByRole("button", { name: `Console of ${name}` }) });
      await row.getByRole("button", { name: "Restart" }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByText(`jobyard system --restart ${name}`).waitFor();
      await dialog.getByRole("button", { name: "Restart" }).click();
      // More, if the program also ended because another was away.
      await row.getByText(/[1-9]\d* restarts?/).waitFor({ timeout: 150_000 });
      await row.getByText("running").waitFor(WAIT);
    }
    const { programs } = await admin.monitoring.getSystem();
    const restarted = programs.filter(({ restartCount }) => restartCount > 0).map(({ name }) => name);
    expect(restarted).toEqual(expect.arrayContaining(["storage", "bus", "api"]));
    // All is as before: a job runs.
    const jobId = await admin.timers.run({ tenantName: TENANT, packageName: TIMED, timerName: TIMER.timerName });
    expect(await dashboard.client.waitForJob(jobId)).toMatchObject({ state: "succeeded" });
    expect(ada.errors).toEqual([]);
  });

  it("pauses a job type, seen on Overview, and a pool; sets quotas, retention and weights", async () => {
    const { page } = ada;
    const dialog = page.getByRole("dialog");
    const held = async () =>
      (await admin.pauses.list()).map(({ kind, jobType, pool, reason }) => ({ kind, jobType, pool, reason }));
    const zip = new Uint8Array(testPackage({ jobs: { Held: "return { output: 1 };" } }));
    await dashboard.client.management.publishPackage(TENANT, PACKAGE, zip);
    await ada.goto(`/access?tenant=${TENANT}&tab=limits`);
    await page.getByRole("button", { name: "Pause…" }).click(WAIT);
    await dialog.getByLabel("Job type").fill("Held");
    await dialog.getByLabel("Reason, for people").fill("It is being mended.");
    await dialog.getByText(`jobyard pause --tenant ${TENANT} --type Held --reason 'It is being mended.'`).waitFor();
    expect(await violationsOf(page, "light")).toEqual([]);
    await dialog.getByRole("button", { name: "Pause", exact: true }).click();
    const paused = page.getByRole("region", { name: "Paused", exact: true });
    await paused.getByText("It is being mended.").waitFor(WAIT);
    expect(await held()).toEqual([{ kind: "type", jobType: "Held", reason: "It is being mended." }]);
    const jobId = await dashboard.submit("Held");
    await ada.goto(`/?tenant=${TENANT}`);
    await page.getByRole("status").getByText("job type Held of demo").waitFor(WAIT);
    await page.getByRole("link", { name: /^Waiting 1/ }).waitFor(WAIT);
    await expectAccessible(ada);
    expect(await dashboard.client.monitoring.getJob(jobId)).toMatchObject({ state: "queued" });
    await page.getByRole("link", { name: "Limits" }).click();
    await confirm(ada, "Resume");
    expect(await held()).toEqual([]);
    expect((await dashboard.client.waitForJob(jobId)).state).toBe("succeeded");

    await admin.management.putQuotas(TENANT, { runningAtOnce: 7 });
    // Lists across batches show an end a moment later.
    await eventually(async () => {
      expect((await admin.monitoring.getQuotas(TENANT)).runningAtOnce?.used).toBe(0);
    }, WAIT);
    await ada.goto(`/access?tenant=${TENANT}&tab=limits`);
    await page.getByText("0 of 7", { exact: true }).waitFor(WAIT);
    await page.getByRole("button", { name: "Set quotas" }).click();
    await dialog.getByLabel(/^Jobs in a day/).fill("10.5");
    await dialog
      .getByText(/must be a whole number/)
      .first()
      .waitFor();
    await dialog.getByLabel(/^Jobs in a day/).fill("5000");
    await dialog.getByRole("button", { name: "Set", exact: true }).click();
    await page.getByText(/of 5,000$/).waitFor(WAIT);
    expect(await admin.monitoring.getQuotas(TENANT)).toMatchObject({
      ...{ jobsPerDay: { limit: 5_000 }, runningAtOnce: { limit: 7 } },
    });
    await page.getByRole("button", { name: "Days of failed jobs" }).click();
    await dialog.getByLabel(/^Log, days/).fill("3");
    await dialog.getByText(`jobyard retention ${TENANT} --outcome failed --jobs 90 --logs 3 --files 90`).waitFor();
    await dialog.getByRole("button", { name: "Set", exact: true }).click();
    await page.getByText("3 days", { exact: true }).waitFor(WAIT);
    const { failed, succeeded } = await admin.monitoring.getRetention(TENANT);
    expect([failed.logDays, succeeded.logDays]).toEqual([3, 30]);
    await expectAccessible(ada);
    await confirm(ada, "Use the defaults");
    await page.getByText("These are the system's defaults.").waitFor(WAIT);

    await page.getByRole("tab", { name: "Tenants", exact: true }).click();
    await page.getByRole("row", { name: /^demo/ }).getByRole("button", { name: "Weigh" }).click(WAIT);
    await dialog.getByLabel("Weight").fill("3");
    await dialog.getByRole("button", { name: "Set the weight" }).click();
    await dialog.waitFor({ state: "detached" });
    expect(await allOf(admin.monitoring.getTenants())).toContainEqual(
      expect.objectContaining({ tenantName: TENANT, weight: 3 }),
    );

    await ada.goto(`/workers?tenant=${TENANT}`);
    await page.getByRole("button", { name: "Pause…" }).click(WAIT);
    await dialog.getByLabel("What").selectOption("queue");
    await dialog.getByLabel("Pool").fill("default");
    await dialog.getByRole("button", { name: "Pause", exact: true }).click();
    await page.getByText("queue default/low", { exact: true }).waitFor(WAIT);
    expect(await held()).toMatchObject([{ kind: "queue", pool: "default" }]);
    await confirm(ada, "Resume");
    expect(await held()).toEqual([]);
  });

  it("registers a webhook, shows its secret once, and what the receiver answered", async () => {
    const { page } = ada;
    await ada.goto(`/webhooks?tenant=${TENANT}`);
    await page.getByRole("heading", { name: "No webhooks yet" }).waitFor(WAIT);
    await page.getByRole("button", { name: "Register a webhook" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("billing");
    await dialog.getByLabel("Address").fill("ftp://nowhere");
    await dialog.getByRole("button", { name: "Register" }).click();
    await dialog.getByRole("alert").waitFor();
    await dialog.getByLabel("Address").fill(`${dashboard.url}/v1/nowhere`);
    await dialog.getByRole("button", { name: "Register" }).click();
    await dialog.getByText(/^whsec_/).waitFor();
    await dialog.getByRole("button", { name: "I have kept it" }).click();
    await page.getByRole("heading", { name: "billing" }).waitFor();
    expect(await page.content()).not.toContain("whsec_");
    await confirm(ada, "Test");
    await page.getByText("The ping was not delivered").waitFor(WAIT);
    await expectAccessible(ada);
    await page.getByRole("button", { name: "Change", exact: true }).click();
    await dialog.getByLabel("a quota is full").check();
    await dialog.getByLabel("a closed batch is complete").uncheck();
    await dialog.getByRole("button", { name: "Change", exact: true }).click();
    await dialog.waitFor({ state: "detached" });
    await confirm(ada, "Disable");
    await page.getByText("Told of quotaFull").waitFor();
    expect(await dashboard.client.monitoring.getWebhook(TENANT, "billing")).toMatchObject({
      ...{ enabled: false, events: ["quotaFull"] },
    });
    await confirm(ada, "Delete");
    await page.getByRole("heading", { name: "Webhooks", exact: true }).waitFor();
    expect(await allOf(dashboard.client.monitoring.getWebhooks(TENANT))).toEqual([]);
  });

  it("searches the API's operations, sends one as the user after it has asked, and shows the guides", async () => {
    const { page } = ada;
    await ada.goto(`/docs?tenant=${TENANT}`);
    const search = page.getByRole("searchbox", { name: "Search the operations" });
    await page.getByText(/^\d+ operations$/).waitFor(WAIT);
    await expectAccessible(ada);
    await search.fill("nothing has these words");
    await page.getByRole("heading", { name: "Nothing fits" }).waitFor();
    await search.fill("batch create");
    await page.getByRole("link", { name: /Create a batch/ }).click();
    await page.getByRole("heading", { name: "Create a batch" }).waitFor();
    // Who hears the page, or uses keys, goes on with what was chosen.
    expect(await page.evaluate("document.activeElement.getAttribute('aria-label')")).toBe("What is chosen");
    await page.getByText("curl -X POST").waitFor();
    await page.getByRole("region", { name: "Answer 201" }).getByText("Orders of November 2").waitFor();
    await expectAccessible(ada);
    await page.getByRole("tab", { name: "Try it" }).click();
    const body = page.getByLabel("Body, application/json");
    await body.fill("{ no JSON");
    await page.getByRole("button", { name: /^Send\s*\. The body is not JSON/ }).waitFor();
    await body.fill(JSON.stringify({ tenantName: TENANT, batchName: "tried on the page" }));
    expect(await confirm(ada, "Send")).toBe(`jobyard batches --create 'tried on the page' --tenant ${TENANT}`);
    await page.getByRole("status", { name: "Answer" }).getByText("201", { exact: true }).waitFor(WAIT);
    const batches = await allOf(dashboard.client.monitoring.getBatches(TENANT));
    expect(batches.map(({ batchName }) => batchName)).toContain("tried on the page");
    await expectAccessible(ada);

    await ada.goto(`/docs?op=getJob&tab=try&tenant=${TENANT}`);
    await page.getByLabel("jobId").fill(`${batches[0]!.batchId}.00.${"0".repeat(18)}`);
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.getByRole("alert").getByText("JobNotFound").waitFor(WAIT);
    await ada.goto("/docs?op=getMe&tab=try");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.getByLabel("The answer").getByText("Jobs.Admin").waitFor(WAIT);

    await page.setViewportSize({ width: 390, height: 844 });
    for (const shown of [
      "",
      "?op=submitJobs",
      "?op=submitJob&tab=request",
      "?op=getJob&tab=answers",
      "?guide=http-api",
    ]) {
      await ada.goto(`/docs${shown}`);
      await page.getByRole("heading", { level: 2 }).first().waitFor(WAIT);
      expect(await page.evaluate("document.documentElement.scrollWidth"), shown).toBeLessThanOrEqual(390);
      if (shown.startsWith("?guide")) await expectAccessible(ada);
    }
    await page.setViewportSize({ width: 1280, height: 900 });
  });

  it("grants and revokes, and the audit says who did it; readers see why they may not", async () => {
    const { page } = ada;
    await ada.goto(`/access?tenant=${TENANT}`);
    await page.getByText("Rita Reader").waitFor(WAIT);
    await expectAccessible(ada);
    await page.getByRole("button", { name: "Grant access" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel(/Object id/).fill(randomUUID());
    await dialog.getByLabel("A name for people").fill("A new one");
    await dialog.getByRole("radio", { name: /read/ }).check();
    await dialog.getByRole("button", { name: "Grant", exact: true }).click();
    const row = page.getByRole("row").filter({ hasText: "A new one" });
    await row.getByText("read").waitFor(WAIT);
    await row.getByRole("button", { name: "Revoke" }).click();
    await dialog.getByRole("button", { name: "Revoke" }).click();
    await row.waitFor({ state: "detached" });
    await page.getByRole("tab", { name: "Audit", exact: true }).click();
    await page.getByRole("button", { name: "putGrant" }).first().click(WAIT);
    await page.getByRole("button", { name: /operation: putGrant/ }).waitFor();
    await page.getByRole("button", { name: "Details" }).first().click();
    await dialog.getByText("A new one").first().waitFor();
    await page.keyboard.press("Escape");
    await expectAccessible(ada);
    expect(ada.errors).toEqual([]);
    await ada.context.close();

    const rita = await dashboard.openAs("Rita Reader", `/access?tenant=${TENANT}&tab=grants`);
    await rita.page.getByText(/This needs the app role/).waitFor(WAIT);
    await rita.page.getByRole("tab", { name: "Limits" }).click();
    await rita.page.getByRole("button", { name: /^Pause…\s*\. This needs the grant "manage"/ }).waitFor(WAIT);
    await rita.page.getByRole("button", { name: /^Set quotas\s*\. This needs the app role/ }).waitFor(WAIT);
    await rita.goto(`/timers/${TIMED}/weekly?tenant=${TENANT}`);
    await rita.page.getByRole("button", { name: /^Pause\s*\. This needs the grant "manage"/ }).waitFor(WAIT);
    await rita.goto(`/webhooks?tenant=${TENANT}`);
    await rita.page.getByRole("heading", { name: "Webhooks are not shown" }).waitFor(WAIT);
    await rita.goto(`/docs?op=pauseTenant&tab=try&tenant=${TENANT}`);
    await rita.page.getByRole("button", { name: /^Send\s*\. This needs the grant "manage"/ }).waitFor(WAIT);
    expect(rita.errors).toEqual([]);
    await rita.context.close();
  });
});
