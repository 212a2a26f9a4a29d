/** `node test/e2e/dashboard/screenshots.ts`: takes the pictures of README again, of a first run of `npm start` with its demo. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { DEMO_APPLICATION } from "../../../runtime/local/identity/principals.ts";
import { localClient } from "../../../runtime/local/stack.ts";
import { startLocal } from "../../support/processes/local-run.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { CHROMIUM, TENANT } from "./dashboard.ts";

const IMAGES = join(import.meta.dirname, "../../../docs/images");
const SIZE = { width: 1280, height: 640 };

await using home = await temporaryDirectory();
await using run = startLocal(home.path, ["--port", "0", "--demo"]);
const [, link = ""] = await run.says(/Dashboard: (http:\S+)/);
const apiUrl = new URL(link).origin;
const { authority } = (await (await fetch(`${apiUrl}/v1/auth`)).json()) as { authority: string };
await run.says(/artifacts copied to/);
const issuer = { authority, caFile: join(home.path, "identity/ca.pem") };
const client = await localClient({ apiUrl, issuer }, DEMO_APPLICATION);
// There are no books of that year: a failure with a line of the source.
const jobId = await client.management.submitJob({
  ...{ tenantName: TENANT, jobType: "FinancialYearEnd", jobName: "Year end 1999", parameters: { year: 1999 } },
  ...{ jobProcessorPackageName: "financial-year-end.zip" },
});
await client.waitForJob(jobId);

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: SIZE, deviceScaleFactor: 1, colorScheme: "light" });
await page.goto(link);
await page.getByRole("status", { name: "Updates: live" }).waitFor();
// The index follows the job a moment later.
await page.getByText("The ledger has no entries in 1999.").waitFor({ timeout: 90_000 });
await mkdir(IMAGES, { recursive: true });
for (const [name, path, seen] of [
  ["overview", "/", "Overview"],
  ["job", `/jobs/${encodeURIComponent(jobId)}`, "Year end 1999"],
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
