/** A small worker for tests that kill it: starts one job, follows its log, and lives until somebody ends it. */
import { createJobProcesses } from "../../../../runtime/worker/process/job-processes.ts";
import { findJobUser } from "../../../../runtime/worker/process/job-user.ts";
import { createWorkspaces } from "../../../../runtime/worker/process/workspace.ts";

const [root = "", packagePath = "", hostEntry = "", spares = "0", userName] = process.argv.slice(2);
const user = userName === undefined ? undefined : await findJobUser(userName);
const environment = { PATH: process.env["PATH"] ?? "" };
const processes = createJobProcesses({ root, hostEntry, spares: Number(spares), environment, user });
const job = processes.start({
  job: {
    jobId: "demo.b1.0.j1",
    batchId: "demo.b1",
    tenantName: "demo",
    jobName: "doomed",
    jobType: "Sample",
    jobProcessorPackageName: "sample",
    parameters: "null",
    attempt: 1,
    interruption: 0,
    claimId: "c1",
  },
  entry: { kind: "module", file: "index.mjs" },
  packagePath,
  workspace: await createWorkspaces({ root, user }).create(),
  timeoutMs: 60_000,
});
for await (const chunk of job.log) process.stdout.write(chunk);
