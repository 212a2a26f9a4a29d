/**
 * `npm run chaos -- fairness --jobs 100000 --kills 2`: one tenant has many jobs, another one submits a few. Measures when
 * those start, beside the bound of docs/limits-and-fairness.md, while programs are killed. Then pauses the many and lets
 * them go on.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, Option } from "commander";
import { runFairness } from "./run.ts";

interface Options {
  readonly jobs: string;
  readonly few: string;
  readonly jobMs: string;
  readonly kills: string;
  readonly json: boolean;
}

const command = new Command("npm run chaos -- fairness")
  .description("Measures how long the few jobs of a tenant wait beside the many of another one.")
  .addOption(new Option("--jobs <count>", "jobs of the tenant with many").default("2000"))
  .addOption(new Option("--few <count>", "jobs of the newly arrived tenant").default("10"))
  .addOption(new Option("--job-ms <ms>", "how long a job sleeps").default("500"))
  .addOption(new Option("--kills <count>", "kills of workers and APIs before the few jobs come").default("0"))
  .addOption(new Option("--json", "print one JSON object on standard output").default(false));

export async function run(): Promise<void> {
  command.parse(process.argv.slice(3), { from: "user" });
  const { jobs, few, jobMs, kills, json } = command.opts<Options>();
  const directory = await mkdtemp(join(tmpdir(), "jobyard-chaos-"));
  const report = await runFairness({
    ...{ manyCount: Number(jobs), fewCount: Number(few), jobMs: Number(jobMs), killCount: Number(kills), directory },
    onProgress: (line) => console.error(line),
  });
  console.log(json ? JSON.stringify(report) : JSON.stringify(report, null, 2));
  if (report.violations.length > 0) throw new Error(`Checks failed:\n${report.violations.join("\n")}`);
  await rm(directory, { recursive: true, force: true });
}
