/** `jobyard stats` and `jobyard trace` against `npm start`, as its user types them. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobView } from "../../runtime/core/http/views.ts";
import type { StatsView, TraceView } from "../../runtime/local/telemetry/receiver.ts";
import { eventually } from "../support/eventually.ts";
import { apiOf, startLocal, type LocalRun } from "../support/processes/local-run.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/temporary-directory.ts";
import { WITH_TEST_PACKAGES } from "../support/test-packages.ts";

const ROOT = join(import.meta.dirname, "../..");
let home: TemporaryDirectory;
let desk: TemporaryDirectory;
let run: LocalRun;
let url: string;

beforeAll(async () => {
  home = await temporaryDirectory();
  desk = await temporaryDirectory();
  run = startLocal(home.path, WITH_TEST_PACKAGES);
  ({ url } = await apiOf(run, home.path));
  await run.says("Press Ctrl-C to stop");
});
afterAll(async () => {
  await run[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
  await desk[Symbol.asyncDispose]();
});

/** With a home of its own, so that it signs in nobody else. */
async function jobyard(...args: readonly string[]): Promise<string> {
  const env = { PATH: process.env["PATH"] ?? "", HOME: desk.path, JOBYARD_HOME: home.path };
  const { stdout } = await promisify(execFile)(join(ROOT, "node_modules/.bin/jobyard"), [...args], { cwd: ROOT, env });
  return stdout;
}

describe("the telemetry of npm start", () => {
  it("shows a job's spans from the API to its process, and counts it", async () => {
    await jobyard("login", "--local", url);
    const submit = ["submit", "--type", "FinancialYearEnd", "--package", "financial-year-end.zip"];
    const submitted = await jobyard(...submit, "--parameters", '{"year":2025}', "--wait", "--json");
    const { jobId } = JSON.parse(submitted) as JobView;

    const { spans } = await eventually(async () => {
      const view = JSON.parse(await jobyard("trace", jobId, "--json")) as TraceView;
      expect(view.spans.map(({ name }) => name)).toEqual(expect.arrayContaining(["POST /v1/jobs", "settle"]));
      expect(view.spans.some(({ name }) => name.startsWith("process job"))).toBe(true);
      return view;
    });
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
    expect(spans.filter(({ error }) => error !== undefined)).toEqual([]);
    const waterfall = await jobyard("trace", jobId);
    expect(waterfall).toContain(`Job ${jobId}\n`);
    expect(waterfall).toMatch(/^POST \/v1\/jobs +\S+ .*█.* ms$/m);

    await eventually(async () => {
      const { jobTypes, pools } = JSON.parse(await jobyard("stats", "--json")) as StatsView;
      const measured = jobTypes.find(({ name }) => name === "FinancialYearEnd");
      expect(measured?.measures["ended"]?.value).toBe(1);
      expect(measured?.measures["failed"]?.value ?? 0).toBe(0);
      expect(pools[0]?.measures["slots"]?.value).toBeGreaterThan(0);
    });
    expect(await jobyard("stats")).toMatch(/^FinancialYearEnd +1 /m);
  });
});
