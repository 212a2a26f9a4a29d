/** `node test/e2e/dashboard/screenshots.ts`: takes the pictures of README again, of a first run of `npm start` with its demo. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { startLocal } from "../../support/processes/local-run.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { CHROMIUM } from "./dashboard.ts";

const IMAGES = join(import.meta.dirname, "../../../docs/images");
const SIZE = { width: 1280, height: 640 };

await using home = await temporaryDirectory();
await using run = startLocal(home.path, ["--port", "0", "--demo"]);
const [, link = ""] = await run.says(/Dashboard: (http:\S+)/);
const apiUrl = new URL(link).origin;
// A failure with a line of the source.
const [, jobId = ""] = await run.says(/submit it anew:\s+\S+\/jobs\/(\S+)/);

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: SIZE, deviceScaleFactor: 1, colorScheme: "light" });
await page.goto(link);
await page.getByRole("status", { name: "Updates: live" }).waitFor();
// The index follows the job a moment later.
await page.getByText("The ledger has no entries in 1999.").waitFor({ timeout: 90_000 });
await mkdir(IMAGES, { recursive: true });
for (const [name, path, seen] of [
  ["overview", "/", "Overview"],
  ["job", `/jobs/${encodeURIComponent(jobId)}`, "year-end-1999"],
  ["api", "/docs?op=submitJob", "Submit a job"],
] as const) {
  await page.goto(`${apiUrl}${path}`);
  await page.getByRole("heading", { name: seen }).waitFor();
  await page.getByRole("status", { name: "Updates: live" }).waitFor();
  // These stand for what is still being read.
  while ((await page.locator(".ghost").count()) > 0) await page.waitForTimeout(100);
  await page.screenshot({ path: join(IMAGES, `${name}.png`) });
}
await browser.close();
run.process.kill("SIGTERM");
await run.exited;
