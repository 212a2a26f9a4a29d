/** Jobs that run in the worker's own process under the contract of a job process: fast, and they stop when asked. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JobProcesses } from "../../../runtime/worker/process/job-processes.ts";
import type { JobProcess, JobProcessSpec, ProcessResult } from "../../../runtime/worker/process/spec.ts";

export interface ScriptSettings {
  readonly lockMs: number;
  /** Whether what was broken has been mended: decides about jobs of type Mendable. */
  readonly mended: () => boolean;
  /** When jobs that wait for ever may end after all. */
  readonly released: Promise<unknown>;
}

/** Runs until its result, or until it is stopped. */
type Script = (
  spec: JobProcessSpec,
  settings: ScriptSettings,
  pause: (ms: number) => Promise<void>,
) => Promise<ProcessResult>;

const failed = (message: string, retryable = true): ProcessResult => ({
  kind: "failed",
  code: "JobFailed",
  message,
  retryable,
});
const succeeded = ({ job }: JobProcessSpec): ProcessResult => ({
  kind: "succeeded",
  output: JSON.stringify({ claimId: job.claimId, parameters: job.parameters.length }),
});
const SCRIPTS: Readonly<Record<string, Script>> = {
  /** Lasts longer than the time between two renewals. */
  async Work(spec, { lockMs }, pause) {
    spec.onProgress?.({ fraction: 0.5, text: "half way" });
    if (spec.shared === undefined) await writeFile(join(spec.workspace.outputPath, "work.txt"), spec.job.jobId);
    await pause(lockMs * 0.45);
    return succeeded(spec);
  },
  Quick: (spec) => Promise.resolve(succeeded(spec)),
  FailOnce: (spec) => Promise.resolve(spec.job.attempt === 1 ? failed("the first time") : succeeded(spec)),
  Fails: () => Promise.resolve(failed("no luck")),
  Mendable: (spec, { mended }) => Promise.resolve(mended() ? succeeded(spec) : failed("broken", false)),
  async Hangs(spec, _settings, pause) {
    await pause(spec.timeoutMs);
    return { ...failed("The job ran longer than its limit."), code: "JobTimedOut" } as ProcessResult;
  },
  /** Waits to be interrupted, and succeeds the next time. */
  async Interrupted(spec, { released }) {
    if (spec.job.interruption === 0) await released;
    return succeeded(spec);
  },
  async Waits(spec, { released }) {
    await released;
    return succeeded(spec);
  },
};

export const SCRIPTED_JOB_TYPES: readonly string[] = Object.keys(SCRIPTS);

export function createScriptedJobs(settings: ScriptSettings): Pick<JobProcesses, "start" | "close"> {
  const running = new Set<JobProcess>();
  return {
    start(spec) {
      const job = startScript(spec, settings);
      running.add(job);
      void job.result.then(() => running.delete(job));
      return job;
    },
    async close() {
      await Promise.all([...running].map((job) => job.kill()));
    },
  };
}

function startScript(spec: JobProcessSpec, settings: ScriptSettings): JobProcess {
  const stopped = Promise.withResolvers<ProcessResult>();
  let timer: NodeJS.Timeout | undefined;
  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      timer = setTimeout(resolve, ms);
    });
  const script = SCRIPTS[spec.job.jobType];
  if (script === undefined) throw new Error(`There is no script ${spec.job.jobType}.`);
  const result = Promise.race([script(spec, settings, pause), stopped.promise]).finally(() => clearTimeout(timer));
  return {
    pid: undefined,
    workspace: undefined,
    result,
    log: logOf(spec, result),
    cancel: (reason) => stopped.resolve({ kind: "canceled", reason, forced: false }),
    async kill() {
      stopped.resolve({ kind: "killed" });
      await result;
    },
  };
}

async function* logOf({ job }: JobProcessSpec, result: Promise<unknown>): AsyncIterable<Uint8Array> {
  yield Buffer.from(`started ${job.jobId}\n`);
  await result;
}
