/**
 * A place to run real attempts in: a worker's directory, packages made from source text, and a check that nothing is
 * left of them afterwards, neither process nor directory nor handle.
 */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { expect } from "vitest";
import type { Progress } from "../../../../runtime/core/job/job.ts";
import { bundleHost } from "../../../../runtime/worker/process/module/host-bundle.ts";
import {
  type JobProcesses,
  type JobProcessesConfig,
  createJobProcesses,
} from "../../../../runtime/worker/process/job-processes.ts";
import { readProcessTable } from "../../../../runtime/worker/process/os/proc-table.ts";
import { MARK_VARIABLE } from "../../../../runtime/worker/process/os/process-tree.ts";
import type {
  JobFacts,
  JobProcess,
  JobProcessSpec,
  OwnProcessSpec,
  ProcessResult,
  SharedPackage,
  SharedProcessSpec,
} from "../../../../runtime/worker/process/spec.ts";
import { createWorkspaces } from "../../../../runtime/worker/process/files/workspace.ts";
import { eventually, eventuallyTrue } from "../../../support/eventually.ts";

/** The child host as source, and as the one file that workers use. */
export const HOST_SOURCE = fileURLToPath(new URL("../../../../runtime/worker/process/host/main.ts", import.meta.url));
const CACHE = fileURLToPath(new URL("../../../../node_modules/.cache/jobyard", import.meta.url));
await mkdir(CACHE, { recursive: true });
export const HOST_ENTRY = await bundleHost(CACHE);

/** What authors import, as it is in a package: one file of JavaScript, which a child starts with in a third of the time. */
const JOB_MODULE = join(CACHE, "job.mjs");
const HALF_MODULE = `${JOB_MODULE}.${process.pid}.mjs`;
buildSync({
  entryPoints: [fileURLToPath(new URL("../../../../runtime/job-sdk/index.ts", import.meta.url))],
  outfile: HALF_MODULE,
  bundle: true,
  platform: "node",
  format: "esm",
  logLevel: "error",
});
await rename(HALF_MODULE, JOB_MODULE);

export const FACTS: JobFacts = {
  jobId: "demo.b1.0.j1",
  batchId: "demo.b1",
  tenantName: "demo",
  jobName: "a job",
  jobType: "Sample",
  jobProcessorPackageName: "sample",
  parameters: '{"year":2026}',
  attempt: 2,
  interruption: 1,
  claimId: "0b0c",
  workerId: "worker-1",
};

/** Source text of a module whose default export runs `body` with `job` and `context`, and everything of it by name. */
export const jobSource = (body: string, before = ""): string => `
  import { defineJob, NonRetryableError } from ${JSON.stringify(JOB_MODULE)};
  import { spawn } from "node:child_process";
  import fs from "node:fs";
  import { setTimeout as delay } from "node:timers/promises";
  ${before}
  export default defineJob({ jobType: "Sample", async run(job, context) {
    const { packagePath, workingPath, outputPath, progress, log, signal, services } = context;
    ${body}
  } });`;

/** Keeps the event loop busy for ever without using the processor. */
export const FOREVER = "setInterval(() => {}, 1e6); await new Promise(() => {});";

export interface Attempt<Spec extends JobProcessSpec = OwnProcessSpec> {
  readonly process: JobProcess;
  /** The result, once the log has been read to its end as well. */
  readonly result: Promise<ProcessResult>;
  readonly spec: Spec;
  readonly progress: Progress[];
  /** What is in the log so far. */
  log(): string;
  /** Resolves when the log contains the text. */
  logged(text: string): Promise<void>;
}

/** A package whose jobs share processes. */
export interface TestPackage extends SharedPackage {
  /** How often it was copied: once for every process. */
  copyCount: number;
}

/** `bodies`: what the job does, by the text that is its parameters; `before`: code of the module around it. */
export function sharedPackage(bodies: Record<string, string>, before = ""): TestPackage {
  const functions = Object.entries(bodies).map(([name, body]) => `${name}: async () => { ${body} }`);
  const source = jobSource(`return await { ${functions.join(", ")} }[job.parameters]();`, before);
  const package_: TestPackage = {
    hash: createHash("sha256").update(source).digest("hex"),
    copyCount: 0,
    async copyTo(target) {
      package_.copyCount++;
      await mkdir(target);
      await writeFile(join(target, "index.mjs"), source);
    },
  };
  return package_;
}

export interface Lab {
  readonly root: string;
  readonly processes: JobProcesses;
  /** Starts an attempt with a package of these files; a string is the body of a job in `index.mjs`. */
  start(files: string | Record<string, string>, changes?: Partial<OwnProcessSpec>): Promise<Attempt>;
  /** Starts an attempt of a shared package; `name` says which body. */
  share(shared: SharedPackage, name: string, changes?: Partial<SharedProcessSpec>): Promise<Attempt<SharedProcessSpec>>;
  /** Ends everything and checks that nothing is left. */
  close(): Promise<void>;
}

/** What the marks of a worker's processes begin with. */
export const ownerOf = (root: string): string => createHash("sha256").update(root).digest("hex").slice(0, 16);

/** Marks of living processes that belong to a worker with this root. */
export function markedProcesses(root: string): number[] {
  const owner = ownerOf(root);
  const table = readProcessTable();
  return (table?.processes ?? [])
    .filter(({ pid, dead }) => !dead && table?.startVariable(pid, MARK_VARIABLE)?.startsWith(owner))
    .map(({ pid }) => pid);
}

export const isAlive = (pid: number): boolean =>
  readProcessTable()?.processes.some((entry) => entry.pid === pid && !entry.dead) === true;

const handles = (): string[] =>
  process.getActiveResourcesInfo().filter((name) => name === "ProcessWrap" || name === "PipeWrap");

export async function createLab(config: Partial<JobProcessesConfig> = {}): Promise<Lab> {
  const before = handles().length;
  const root = await mkdtemp(join(tmpdir(), "jobyard-lab-"));
  const environment = { PATH: process.env["PATH"] ?? "" };
  const processes = createJobProcesses({ root, hostEntry: HOST_ENTRY, spares: 0, environment, ...config });
  const workspaces = createWorkspaces({ root });
  const attempts: Attempt<JobProcessSpec>[] = [];

  function launch<Spec extends JobProcessSpec>(
    common: (onProgress: (report: Progress) => void) => Spec,
  ): Attempt<Spec> {
    const progress: Progress[] = [];
    const spec = common((report) => progress.push(report));
    const attempt = follow(processes.start(spec), spec, progress);
    attempts.push(attempt);
    return attempt;
  }

  return {
    root,
    processes,
    async start(files, changes = {}) {
      const workspace = await workspaces.create();
      const package_ = typeof files === "string" ? { "index.mjs": jobSource(files) } : files;
      for (const [name, content] of Object.entries(package_)) {
        const path = join(workspace.packagePath, name);
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, content, { mode: content.startsWith("#!") ? 0o755 : 0o644 });
      }
      const { packagePath } = workspace;
      return launch((onProgress) => ({ ...COMMON, onProgress, packagePath, workspace, ...changes }));
    },
    share(shared, name, changes = {}) {
      const job = { ...FACTS, parameters: JSON.stringify(name) };
      return Promise.resolve(launch((onProgress) => ({ ...COMMON, onProgress, shared, job, ...changes })));
    },
    async close() {
      await processes.close();
      for (const { process, result, spec } of attempts) {
        await result;
        await (spec.shared === undefined ? spec.workspace : process.workspace)?.remove();
      }
      expect(markedProcesses(root)).toEqual([]);
      expect(await readdir(root)).toEqual([]);
      await rm(root, { recursive: true });
      await eventually(() => expect(handles().length).toBeLessThanOrEqual(before));
    },
  };
}

const COMMON = { job: FACTS, entry: { kind: "module", file: "index.mjs" }, timeoutMs: 50_000 } as const;

function follow<Spec extends JobProcessSpec>(process: JobProcess, spec: Spec, progress: Progress[]): Attempt<Spec> {
  let text = "";
  let ended = false;
  const reading = (async () => {
    for await (const chunk of process.log) text += Buffer.from(chunk).toString();
    ended = true;
  })();
  return {
    process,
    result: reading.then(() => process.result),
    spec,
    progress,
    log: () => text,
    async logged(wanted) {
      await eventuallyTrue(() => text.includes(wanted) || ended, { interval: 5 });
      expect(text).toContain(wanted);
    },
  };
}
