/** What a worker composes once to run attempts: pre-started children, the way processes are launched, their sweep. */
import { createChildPool } from "./child-pool.ts";
import { type SharedEnvironment, sharedEnvironment } from "./environment.ts";
import { startGuardian } from "./guardian.ts";
import { endHostChild, startHostChild } from "./host-child.ts";
import { startJobProcess } from "./job-process.ts";
import { createLauncher } from "./launch.ts";
import type { JobProcess, JobProcessSpec } from "./spec.ts";

export interface JobProcessesConfig {
  /** The worker's own directory: marks this worker's processes, so that a restarted worker finds leftovers. */
  readonly root: string;
  /** The program that runs in the children: `host/main.ts`, or its bundle. */
  readonly hostEntry: string;
  /** Node children kept ready; each serves one attempt. 0: started on demand. */
  readonly spares: number;
  readonly environment: SharedEnvironment;
  /** Node of the children. Default: the worker's own. */
  readonly nodePath?: string | undefined;
  /** Flags of the children's Node, for example a heap limit. */
  readonly nodeArgs?: readonly string[] | undefined;
  /** Default: LOG_MAX_BYTES. */
  readonly logMaxBytes?: number | undefined;
}

export interface JobProcesses {
  /**
   * Kills what a crashed worker with this root left running. Call before the first `start`, and before sweeping
   * workspaces.
   */
  sweep(): Promise<void>;
  /** Never throws for what a job does. */
  start(spec: JobProcessSpec): JobProcess;
  /** Kills spares and running attempts; resolves when all are gone. No `start` afterwards. */
  close(): Promise<void>;
}

/** Spares start at once: call from the main thread, which children on Linux live and die with. */
export function createJobProcesses(config: JobProcessesConfig): JobProcesses {
  const environment = sharedEnvironment(config.environment);
  const launcher = createLauncher({ root: config.root, searchPath: environment.PATH });
  const guardian = startGuardian(launcher.markPrefix, environment.PATH);
  const { hostEntry, nodePath = process.execPath, nodeArgs = [] } = config;
  const children = createChildPool({
    spares: config.spares,
    start: () => startHostChild(launcher, { hostEntry, nodePath, nodeArgs, environment }),
    end: endHostChild,
  });
  const deps = { launcher, children, environment, now: () => new Date(), logMaxBytes: config.logMaxBytes };
  const running = new Set<JobProcess>();

  return {
    sweep: () => launcher.sweep(),
    start(spec) {
      const job = startJobProcess(spec, deps);
      running.add(job);
      void job.result.then(() => running.delete(job));
      return job;
    },
    async close() {
      await Promise.all([...running].map((job) => job.kill()));
      // Last, because a job that was killed before its start leaves a child behind.
      await children.close();
      await guardian.close();
    },
  };
}
