/** A small worker for tests that kill it: starts one job, follows its log, and lives until somebody ends it. */
import { createJobProcesses } from "../../../../runtime/worker/process/job-processes.ts";
import { createWorkspaces } from "../../../../runtime/worker/process/workspace.ts";
import { FACTS, HOST_ENTRY } from "./lab.ts";

const [root = "", packagePath = "", jobType = "", spares = "0"] = process.argv.slice(2);
const environment = { PATH: process.env["PATH"] ?? "" };
const processes = createJobProcesses({ root, hostEntry: HOST_ENTRY, spares: Number(spares), environment });
const job = processes.start({
  job: { ...FACTS, jobType },
  entry: { kind: "module", file: "index.mjs" },
  packagePath,
  workspace: await createWorkspaces({ root }).create(),
  timeoutMs: 60_000,
});
for await (const chunk of job.log) process.stdout.write(chunk);
