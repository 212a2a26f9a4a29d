/** A small worker for tests that kill it: starts one job, follows its log, and lives until somebody ends it. */
import { createJobProcesses } from "../../../../runtime/worker/process/job-processes.ts";
import { findJobUsers } from "../../../../runtime/worker/process/os/job-user.ts";
import { createWorkspaces } from "../../../../runtime/worker/process/files/workspace.ts";

const [root = "", packagePath = "", hostEntry = "", spares = "0", userName] = process.argv.slice(2);
/** A name, or the numbers of users that this machine need not know. */
const numbers = userName?.split(",").map(Number) ?? [];
const users = numbers.some(Number.isInteger)
  ? { users: numbers.map((uid) => ({ uid, gid: uid })), exclusive: true }
  : userName === undefined
    ? undefined
    : await findJobUsers(userName);
const environment = { PATH: process.env["PATH"] ?? "" };
const processes = createJobProcesses({ root, hostEntry, spares: Number(spares), environment, users });
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
    workerId: "w1",
  },
  entry: { kind: "module", file: "index.mjs" },
  packagePath,
  workspace: await createWorkspaces({ root }).create(),
  timeoutMs: 60_000,
});
for await (const chunk of job.log) process.stdout.write(chunk);
