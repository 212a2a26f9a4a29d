/** A job in Python through the whole local system: packed, published, submitted, run, stopped. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobServiceClient } from "../../../runtime/client/index.ts";
import { eventually } from "../../../test/support/eventually.ts";
import { hasProgram } from "../../../test/support/processes/has-program.ts";
import { type LocalRun, startLocal } from "../../../test/support/processes/local-run.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../../test/support/temporary-directory.ts";
import { clientOf } from "../../../test/support/test-packages.ts";

const PACKAGE = join(import.meta.dirname, "../../python-report");

describe.skipIf(!hasProgram("python3", "-c", "import csv, decimal, json"))("python-report (needs python3)", () => {
  let home: TemporaryDirectory;
  let run: LocalRun;
  let client: JobServiceClient;
  beforeAll(async () => {
    home = await temporaryDirectory();
    run = startLocal(home.path, ["--port", "0", "--no-demo", "--packages", PACKAGE]);
    ({ client } = await clientOf(run, home.path));
  });
  afterAll(async () => {
    run.process.kill("SIGTERM");
    expect(await run.exited).toBe(0);
    await home[Symbol.asyncDispose]();
  });

  const submit = (parameters: unknown, fields: object = {}): Promise<string> =>
    client.management.submitJob({
      ...{ tenantName: "demo", jobType: "SalesReport", jobName: "sales" },
      ...{ jobProcessorPackageName: "python-report.zip", parameters, ...fields },
    });

  it("succeeds with an output, progress and an artifact", async () => {
    const jobId = await submit({ month: "2026-03" });
    const job = await client.waitForJob(jobId);
    expect(job).toMatchObject({
      ...{ state: "succeeded", attempts: 1 },
      output: { month: "2026-03", products: 5, revenue: "119623.95", file: "sales-2026-03.csv" },
      progress: { fraction: 1, text: "Wrote sales-2026-03.csv" },
    });
    expect(await client.monitoring.getLog(jobId)).toContain("5 products were sold in 2026-03.");
    const { stream } = await client.monitoring.openArtifact(jobId, "sales-2026-03.csv");
    expect((await text(stream)).split("\r\n").slice(0, 2)).toEqual([
      "product,quantity,revenue",
      "Desk lamp,285,14221.50",
    ]);
  });

  it("is tried again after an error, whose traceback is in the log and whose last line is the failure", async () => {
    const jobId = await submit({ month: "2026-03", orders: "none.csv" }, { retry: { initialDelayMs: 0 } });
    const { state, attempts, history } = await client.waitForJob(jobId);
    expect({ state, attempts }).toEqual({ state: "failed", attempts: 3 });
    expect(history[0]).toMatchObject({ outcome: "failed", code: "JobFailed" });
    const log = await client.monitoring.getLog(jobId, { execution: 1 });
    expect(log).toMatch(
      /err Traceback \(most recent call last\):\n.*err {3}File ".*\/src\/report\.py", line \d+, in report\n/,
    );
    expect(log).not.toContain("jobyard.py");
    expect(log).toMatch(/JobFailed: The command ended with exit code 1: FileNotFoundError: .*none\.csv'/);
  });

  it("is refused at submit for parameters that break its schema", async () => {
    await expect(submit({ month: 3 })).rejects.toMatchObject({ code: "ParametersInvalid" });
    await expect(submit({})).rejects.toMatchObject({ code: "ParametersInvalid" });
  });

  it("is not tried again for a month that only the job can judge", async () => {
    expect(await client.waitForJob(await submit({ month: "March" }))).toMatchObject({
      ...{ state: "failed", attempts: 1 },
      failure: {
        ...{ code: "JobFailed", retryable: false },
        message: "The command ended with exit code 65: month: expected a month, as 2026-03.",
      },
    });
  });

  it("stops when it is canceled, and leaves no table", async () => {
    // A pipe without a writer is a file that never ends.
    const orders = join(home.path, "endless");
    await promisify(execFile)("mkfifo", [orders]);
    const jobId = await submit({ month: "2026-03", orders });
    await eventually(async () => {
      const { state, progress } = await client.monitoring.getJob(jobId);
      expect([state, progress]).toEqual(["running", { fraction: 0, text: "Reading endless" }]);
    });
    await client.management.cancelJob(jobId);
    expect(await client.waitForJob(jobId)).toMatchObject({ state: "canceled", artifactCount: 0 });
    expect(await client.monitoring.getLog(jobId)).toContain("Stopped as asked.");
  });
});
