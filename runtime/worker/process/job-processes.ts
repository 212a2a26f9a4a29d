/** What a worker composes once to run attempts: children, spare and shared, the way processes are launched, their sweep. */
import { totalmem } from "node:os";
import {
  MEMORY_DEFAULT_SHARE,
  REUSE_BLOCKED_MS,
  REUSE_IDLE_MS,
  REUSE_MAX_AGE_MS,
  REUSE_MAX_JOBS,
  REUSE_MAX_JOBS_AT_ONCE,
} from "../../core/limits.ts";
import type { InspectSettings } from "../../core/settings/worker-settings.ts";
import { KILL_PATIENCE_MS } from "./process-limits.ts";
import { createChildPool } from "./module/child-pool.ts";
import { type SharedEnvironment, sharedEnvironment } from "./environment.ts";
import { startGuardian } from "./os/guardian.ts";
import { endHostChild, startHostChild } from "./module/host-child.ts";
import { type JobProcessDeps, startJobProcess } from "./job-process.ts";
import type { JobUserChoice } from "./os/job-user.ts";
import { createJobUsers } from "./os/job-users.ts";
import { createLauncher } from "./os/launch.ts";
import { createMemoryWatch } from "./watches.ts";
import type { ReuseLimits } from "./shared/shared-child.ts";
import { createSharedChildren } from "./shared/shared-children.ts";
import type { JobProcess, JobProcessSpec } from "./spec.ts";
import { createWorkspaces } from "./files/workspace.ts";
import { systemClock } from "../../core/clock.ts";

export interface JobProcessesConfig {
  /** The worker's own directory: marks this worker's processes, so that a restarted worker finds leftovers. */
  readonly root: string;
  /** The program that runs in the children: `host/main.ts`, or its bundle. */
  readonly hostEntry: string;
  /** Node children kept ready, for attempts of their own and for sharing. 0: started on demand. */
  readonly spares: number;
  readonly environment: SharedEnvironment;
  /** Who jobs run as. Default: the worker's own user. */
  readonly users?: JobUserChoice | undefined;
  /** A user is lost for jobs until the next start. */
  readonly onUserClosed?: ((why: string) => void) | undefined;
  /** Node of the children. Default: the worker's own. */
  readonly nodePath?: string | undefined;
  /** Flags of the children's Node, for example a heap limit. */
  readonly nodeArgs?: readonly string[] | undefined;
  /** Default: LOG_MAX_BYTES. */
  readonly logMaxBytes?: number | undefined;
  /** For jobs that declare none, in MiB. Default: MEMORY_DEFAULT_SHARE of the machine or container. */
  readonly memoryMb?: number | undefined;
  /** Told for each job how long it took until its code ran. */
  readonly onStarted?: ((ms: number) => void) | undefined;
  /** Each job of a module stops for a debugger, in a process of its own and without limits of time. Default: none does. */
  readonly inspect?: InspectSettings | undefined;
  /** Of processes that serve many jobs. Defaults: REUSE_… */
  readonly reuse?: Partial<ReuseLimits> | undefined;
}

export interface JobProcesses {
  /** Whether jobs stop for a debugger, so that each needs a process of its own. */
  readonly inspects: boolean;
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

/** Of directories of shared processes, beside whatever else lies in the worker's own. */
const SHARED_PREFIX = "s-";

const REUSE_LIMITS: ReuseLimits = {
  jobsAtOnce: REUSE_MAX_JOBS_AT_ONCE,
  maxJobs: REUSE_MAX_JOBS,
  maxAgeMs: REUSE_MAX_AGE_MS,
  idleMs: REUSE_IDLE_MS,
  blockedMs: REUSE_BLOCKED_MS,
  killPatienceMs: KILL_PATIENCE_MS,
};

function defaultMemoryMb(): number {
  // Where nothing constrains it, Node answers with 0 or with more than there is.
  const constrained = process.constrainedMemory();
  const bytes = constrained === 0 ? totalmem() : Math.min(constrained, totalmem());
  return Math.floor((bytes * MEMORY_DEFAULT_SHARE) / 1024 / 1024);
}

/** Spares start at once: call from the main thread, which children on Linux live and die with. */
export function createJobProcesses(config: JobProcessesConfig): JobProcesses {
  const environment = sharedEnvironment(config.environment);
  const searchPath = environment.PATH;
  const { hostEntry, nodePath = process.execPath, nodeArgs = [] } = config;
  const changesUser = config.users !== undefined;
  const launcher = createLauncher({ root: config.root, searchPath, changesUser, hostEntry });
  const users = createJobUsers({
    choice: config.users,
    searchPath,
    onShort: () => sharedChildren.endIdle(),
    onClosed: (why) => config.onUserClosed?.(why),
  });
  const guardian = startGuardian(launcher.markPrefix, environment.PATH);
  const children = createChildPool({
    spares: config.spares,
    start: async () => startHostChild(launcher, await users.take(), { hostEntry, nodePath, nodeArgs, environment }),
    end: endHostChild,
  });
  const memory = createMemoryWatch();
  const workspaces = createWorkspaces({ root: config.root, prefix: SHARED_PREFIX });
  const limits = { ...REUSE_LIMITS, ...config.reuse };
  const sharedChildren = createSharedChildren({ children, workspaces, memory, limits });
  const deps: JobProcessDeps = {
    launcher,
    users,
    children,
    sharedChildren,
    memory,
    memoryMb: config.memoryMb ?? defaultMemoryMb(),
    environment,
    now: systemClock.now,
    logMaxBytes: config.logMaxBytes,
    onStarted: config.onStarted,
    inspect: config.inspect,
  };
  const running = new Set<JobProcess>();

  return {
    inspects: config.inspect !== undefined,
    async sweep() {
      await launcher.sweep();
      await users.settled();
      await workspaces.sweep();
    },
    start(spec) {
      const job = startJobProcess(spec, deps);
      running.add(job);
      void job.result.then(() => running.delete(job));
      return job;
    },
    async close() {
      await Promise.all([...running].map((job) => job.kill()));
      await sharedChildren.close();
      // Last, because a job that was killed before its start leaves a child behind.
      await children.close();
      await users.settled();
      await launcher.close();
      await guardian.close();
    },
  };
}
