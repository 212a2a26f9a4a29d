/** Executes attempts without services and processes, for tests of what a worker does with what a job leaves. */
import type { JobFiles } from "../../../../runtime/core/ports/job-files.ts";
import type { Claimed } from "../../../../runtime/worker/attempt/claim.ts";
import { execute, type Execution, type ExecutionDeps } from "../../../../runtime/worker/attempt/execution.ts";
import type { OwnedRow } from "../../../../runtime/worker/attempt/owned-row.ts";
import type { ProcessResult } from "../../../../runtime/worker/process/spec.ts";
import { createWorkspaces, type Workspace } from "../../../../runtime/worker/process/files/workspace.ts";
import { jobOf } from "../../../support/builders.ts";
import { silentEvents, silentLog } from "../../../support/silent.ts";
import { createMemoryFiles } from "../../../support/stores/memory-files.ts";

const CLAIM_ID = "c1";

export interface Ran {
  readonly execution: Execution;
  readonly kept: readonly string[];
  readonly contentOf: (path: string) => Promise<string>;
  readonly log: string;
}

interface Changes {
  readonly result?: ProcessResult;
  readonly isolation?: "process" | "reuse";
  readonly interruptions?: number;
  readonly deps?: Partial<ExecutionDeps>;
  readonly cancelWanted?: AbortSignal;
  readonly drain?: AbortSignal;
  readonly putArtifact?: (inner: JobFiles) => JobFiles["putArtifact"];
}

/** Executes a job that does nothing but leave files. */
export type JobRunner = (leave: (workspace: Workspace) => Promise<unknown>, changes?: Changes) => Promise<Ran>;

export const jobRunner =
  (root: string): JobRunner =>
  (leave, changes = {}) =>
    run(root, leave, changes);

async function run(root: string, leave: Parameters<JobRunner>[0], changes: Changes): Promise<Ran> {
  const { result = { kind: "succeeded", output: undefined } } = changes;
  const { jobId, ...start } = jobOf();
  const files = createMemoryFiles();
  const claimed = {
    ...{ jobId, ring: 1, claim: { id: CLAIM_ID }, entry: { execution: 1, attempt: 1 } },
    start: { ...start, parameters: "null", interruptions: changes.interruptions ?? 0 },
  } as unknown as Claimed;
  const never = new AbortController().signal;
  const row = { cancelWanted: changes.cancelWanted ?? never, claimGone: never } as unknown as OwnedRow;
  const job = {
    jobType: start.jobType,
    isolation: changes.isolation ?? "process",
    entry: { kind: "module", file: "index.mjs" },
  } as const;
  const lease = {
    ...{ hash: "hash", directory: "/nowhere", manifest: { jobs: [job] } },
    ...{ copyTo: () => Promise.resolve(), release: () => undefined },
  };
  const deps = {
    files: { ...files, ...(changes.putArtifact && { putArtifact: changes.putArtifact(files) }) },
    events: silentEvents,
    workspaces: createWorkspaces({ root }),
    packages: { acquire: () => Promise.resolve(lease) },
    tokens: { open: () => () => Promise.resolve({ refused: "No tokens here." }) },
    processes: {
      start: ({ workspace }: { workspace?: Workspace }) => ({
        pid: undefined,
        result: (workspace === undefined ? Promise.resolve() : leave(workspace)).then(() => result),
        log: { async *[Symbol.asyncIterator]() {} },
        cancel: () => undefined,
        kill: () => Promise.resolve(),
      }),
    },
    now: () => new Date("2026-03-01T09:00:00Z"),
    monotonicNow: () => 0,
    ...changes.deps,
  } as unknown as ExecutionDeps;
  const execution = await execute({ claimed, row, lost: never, drain: changes.drain ?? never, log: silentLog }, deps);
  const textOf = async (opened: Awaited<ReturnType<JobFiles["openLog"]>>): Promise<string> => {
    const chunks: Uint8Array[] = [];
    if (opened !== undefined) for await (const chunk of opened.stream) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };
  return {
    execution,
    kept: (await files.listArtifacts(jobId, CLAIM_ID)).map(({ path }) => path),
    contentOf: async (path) => textOf(await files.openArtifact(jobId, CLAIM_ID, path)),
    log: await textOf(await files.openLog(jobId, CLAIM_ID)),
  };
}
