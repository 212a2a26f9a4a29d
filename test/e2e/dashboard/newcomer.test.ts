/** The first minute of somebody who types nothing but `npm start` and clicks. */
import { chromium } from "playwright-core";
import { it } from "vitest";
import { hasProgram } from "../../support/processes/has-program.ts";
import { startLocal } from "../../support/processes/local-run.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { CHROMIUM } from "./dashboard.ts";

const WAIT = { timeout: 60_000 };
/** Sooner than Overview is read again without an event. */
const SOON = { timeout: 30_000 };

it.skipIf(!hasProgram(CHROMIUM, "--version"))(
  "a newcomer opens the printed link, finds the job that fails, sees its line, corrects it and runs it anew (needs chromium)",
  async () => {
    await using home = await temporaryDirectory();
    await using run = startLocal(home.path, ["--port", "0"]);
    const [, link = ""] = await run.says(/Dashboard: (http:\S+)/);
    // In a container the user is root, and the container is the sandbox.
    await using browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.goto(link);
    // The demo runs meanwhile; its last job is its only failure, and appears by itself.
    await run.says(/One more job fails on purpose[^]*submit it anew:\s+http:\S+\/jobs\/demo\./);
    await page.getByRole("link", { name: /The ledger has no entries in 1999/ }).click(SOON);
    await page.getByRole("heading", { name: "year-end-1999" }).waitFor(WAIT);
    const failed = page.url();
    await page
      .getByText(/close-year\.ts:\d+/)
      .first()
      .waitFor(WAIT);
    await page.getByRole("button", { name: "Edit and submit" }).click();
    await page.getByLabel("Parameters, as JSON").fill('{ "year": 2025 }');
    await page.getByRole("button", { name: "Submit", exact: true }).click();
    await page.waitForURL((url) => !failed.endsWith(url.pathname));
    await page.getByRole("heading", { name: "year-end-1999" }).waitFor(WAIT);
    await page.getByText("succeeded").first().waitFor(WAIT);
    // Its programs end with it, and nothing writes into the folder any more.
    run.process.kill("SIGTERM");
    await run.exited;
  },
);
