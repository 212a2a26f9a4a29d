/**
 * The dashboard in real browsers: from the end of a job until its page shows it, and the CPU of the API with many pages open,
 * while nothing happens and while jobs run. The browser's own CPU does not count.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { chromium, type Browser, type Page } from "playwright-core";
import type { Stack } from "../runtime/local/stack.ts";
import { cpuSeconds } from "../test/support/processes/cpu-seconds.ts";
import { keepWebBuilt } from "../web/build/build-web.ts";
import { jobOf, pidOf, prepare, submitOne, TENANT, withStack, type PreparedStack } from "./stack.ts";
import { type Options, type Report, reportTimes, rounded, scaled } from "./suite.ts";

const CHROMIUM = "/usr/bin/chromium";
const SHOWN_JOBS = 20;
/** The page is open by then. */
const START_AFTER_MS = 3_000;
const PAGES = 50;
const MEASURED_S = 60;
/** Their streams are open, and what they ask for at first is answered. */
const SETTLE_MS = 20_000;
const ADDRESSES = [
  "/",
  "/jobs",
  "/batches",
  "/errors",
  "/timers",
  "/packages",
  "/workers",
  "/dead-letters",
  "/events",
  "/health",
];

export async function run(report: Report, { share }: Options): Promise<void> {
  const pages = Math.ceil(PAGES * share);
  const seconds = Math.ceil(MEASURED_S * share);
  await withStack({ workers: 1, slots: 4, webDirectory: keepWebBuilt() }, async (stack) => {
    const { call, client } = await prepare(stack);
    const measure = async (what: string): Promise<void> => {
      const value = rounded((await cpuDuring(stack, () => sleep(seconds * 1_000))) * (100 / seconds));
      report({ name: `API: ${what}`, value, unit: "% of a core" });
    };
    const jobs = (): (() => Promise<void>) => {
      const stop = new AbortController();
      const submitting = (async () => {
        while (!stop.signal.aborted) {
          await submitOne(call, jobOf("Nothing", "reuse"));
          await sleep(1_000, undefined, { signal: stop.signal }).catch(() => undefined);
        }
      })();
      return () => {
        stop.abort();
        return submitting;
      };
    };
    await measure("no page, nothing happens");
    const alone = jobs();
    await measure("no page, a job each second");
    await alone();
    // In a container the user is root, and the container is the sandbox.
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
    try {
      reportTimes(
        report,
        "from a job's end to its page",
        await shownAfter({ browser, stack, call, client }, scaled(SHOWN_JOBS, { share })),
      );
      for (let index = 0; index < pages; index++)
        await openPage(browser, stack, ADDRESSES[index % ADDRESSES.length] ?? "/");
      await sleep(SETTLE_MS * share);
      await measure(`${pages} pages, nothing happens`);
      const stop = jobs();
      await measure(`${pages} pages, a job each second`);
      await stop();
    } finally {
      await browser.close();
    }
  });
}

interface Watching extends PreparedStack {
  readonly browser: Browser;
  readonly stack: Stack;
}

/** For each job: milliseconds from the end in its row until its open page shows it. */
async function shownAfter({ browser, stack, call, client }: Watching, count: number): Promise<readonly number[]> {
  const page = await openPage(browser, stack, "/");
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const jobId = await submitOne(call, { ...jobOf("Nothing", "reuse"), delayMs: START_AFTER_MS });
    await page.goto(`${stack.apiUrl}/jobs/${jobId}?tenant=${TENANT}`);
    await page.getByRole("status", { name: "Updates: live" }).waitFor();
    // It is looked at with each frame of the page.
    await page.locator(".head").filter({ hasText: "succeeded" }).waitFor();
    const shownAt = Date.now();
    const { endedAt = "" } = await client.monitoring.getJob(jobId);
    times.push(shownAt - Date.parse(endedAt));
  }
  return times;
}

/** In a window of its own: a page that is hidden asks for nothing. */
async function openPage(browser: Browser, { apiUrl }: Stack, address: string): Promise<Page> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${apiUrl}${address}?tenant=${TENANT}`);
  await page.getByText("Ada Admin").click();
  await page.getByRole("status", { name: "Updates: live" }).waitFor();
  return page;
}

/** CPU that the API took during the work. */
async function cpuDuring(stack: Stack, work: () => Promise<unknown>): Promise<number> {
  const pid = pidOf(stack, "api");
  const before = await cpuSeconds(pid);
  await work();
  return (await cpuSeconds(pid)) - before;
}
