/**
 * The dashboard for tests: `npm start` with its pages, real jobs, and Debian's Chromium. A page tells every error of its
 * console, every refusal of its policy and every request.
 */
import { join } from "node:path";
import axe from "axe-core";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { expect } from "vitest";
import type { JobServiceClient } from "../../../runtime/client/index.ts";
import { DEMO_APPLICATION, type LocalApplication } from "../../../runtime/local/identity/principals.ts";
import { localClient } from "../../../runtime/local/stack.ts";
import { eventually } from "../../support/eventually.ts";
import { testPackage } from "../../support/packages/test-package.ts";
import { startLocal, type LocalRun } from "../../support/processes/local-run.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

export const CHROMIUM = "/usr/bin/chromium";
export const TENANT = "demo";
export const PACKAGE = "test.zip";

/** For a machine that other tests keep busy. */
const PAGE_WITHIN_MS = 90_000;

export interface Dashboard extends AsyncDisposable {
  readonly url: string;
  /** What `npm start` prints: signs in once. */
  readonly link: string;
  readonly run: LocalRun;
  readonly browser: Browser;
  /** Signed in as the demo's program. */
  readonly client: JobServiceClient;
  clientOf(application: LocalApplication): Promise<JobServiceClient>;
  /** A window of its own, signed in by the issuer's page as the user with this name. */
  openAs(user: string, path?: string): Promise<DashboardPage>;
  /** Not signed in. */
  open(address: string): Promise<DashboardPage>;
  submit(jobType: string, parameters?: unknown, more?: { jobName?: string; batchId?: string }): Promise<string>;
}

export interface DashboardPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors that nobody expects: of scripts, and of the policy. */
  readonly errors: readonly string[];
  /** Paths of requests to the API, in order. */
  readonly requests: readonly string[];
  goto(path: string): Promise<void>;
}

/** With jobs of these types: their code by type. */
export async function startDashboard(jobs: Readonly<Record<string, string>>): Promise<Dashboard> {
  const home = await temporaryDirectory();
  const run = startLocal(home.path, ["--port", "0", "--no-demo"]);
  const [, link = ""] = await run.says(/Dashboard: (http:\S+)/);
  const url = new URL(link).origin;
  const { authority } = (await (await fetch(`${url}/v1/auth`)).json()) as { authority: string };
  const place = { apiUrl: url, issuer: { authority, caFile: join(home.path, "identity/ca.pem") } };
  // In a container the user is root, and the container is the sandbox.
  const [browser, client] = await Promise.all([
    chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] }),
    localClient(place, DEMO_APPLICATION),
  ]);
  const zip = new Uint8Array(testPackage({ jobs, isolation: "reuse" }));
  await client.management.publishPackage(TENANT, PACKAGE, zip);

  async function open(address: string): Promise<DashboardPage> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    await context.addInitScript(KEEP_TOASTS);
    const page = await context.newPage();
    page.setDefaultTimeout(PAGE_WITHIN_MS);
    const errors: string[] = [];
    const requests: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (message) => {
      // The browser reports answers of the API that are errors, as a failed load. Pages show them themselves.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
        errors.push(message.text());
    });
    page.on("dialog", (dialog) => {
      errors.push(`A script of the data ran: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("request", (request) => {
      const { origin, pathname } = new URL(request.url());
      if (origin === url && pathname.startsWith("/v1")) requests.push(`${request.method()} ${pathname}`);
    });
    await page.goto(address);
    return { page, context, errors, requests, goto: (path) => page.goto(url + path).then(() => undefined) };
  }

  return {
    ...{ url, link, run, browser, client, open },
    clientOf: (application) => localClient(place, application),
    async openAs(user, path = "/") {
      const opened = await open(url + path);
      await opened.page.getByText(user).first().click();
      await opened.page.getByRole("navigation", { name: "Pages" }).waitFor();
      return opened;
    },
    submit: (jobType, parameters, { jobName = `a ${jobType}`, batchId } = {}) =>
      client.management.submitJob(
        { tenantName: TENANT, jobType, jobName, jobProcessorPackageName: PACKAGE, parameters },
        batchId,
      ),
    async [Symbol.asyncDispose]() {
      await browser.close();
      run.process.kill("SIGTERM");
      await run.exited;
      await run[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
    },
  };
}

/** Keeps the texts of toasts, which leave after some seconds, until another page is loaded. */
const KEEP_TOASTS = `globalThis.toasted = new Set();
  new MutationObserver(() => {
    for (const { textContent } of document.querySelectorAll(".toast")) toasted.add(textContent);
  }).observe(document, { childList: true, subtree: true });`;

/** Waits until a toast has said it, maybe before. */
export async function toasted(page: Page, text: string | RegExp): Promise<void> {
  await eventually(
    async () => expect(await page.evaluate<string[]>("[...toasted]")).toContainEqual(expect.stringMatching(text)),
    { timeout: PAGE_WITHIN_MS },
  );
}

/** Presses `g` and this key. A busy browser may see the second one too late. */
export async function goByKeys(page: Page, key: string, title: string): Promise<void> {
  await eventually(
    async () => {
      await page.keyboard.press("g");
      await page.keyboard.press(key);
      await page.getByRole("heading", { name: title, level: 1 }).waitFor({ timeout: 5_000 });
    },
    { timeout: PAGE_WITHIN_MS },
  );
}

/** What axe-core finds on the page, in this theme; of WCAG 2.2 A and AA, and best practices. */
export async function violationsOf(page: Page, theme: "light" | "dark"): Promise<readonly string[]> {
  await page.evaluate(`document.documentElement.dataset.theme = "${theme}"`);
  // By the debugger's channel: the page's own policy lets nobody else's script in.
  await page.evaluate(axe.source);
  return page.evaluate<string[]>(`axe.run().then(({ violations }) => violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => id + ": " + html.slice(0, 160) + " " + failureSummary)))`);
}
