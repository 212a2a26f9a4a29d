/** What a worker composes once to run attempts: pre-started children, the way processes are launched, their sweep. */
import type { JobProcess, JobProcessSpec } from "./spec.ts";

export interface JobProcessesConfig {
  /** The worker's own directory: marks this worker's processes, so that a restarted worker finds leftovers. */
  readonly root: string;
  /** The program that runs in the children: `host/main.ts`, or its bundle. */
  readonly hostEntry: string;
  /** Node children kept ready; each serves one attempt. 0: started on demand. */
  readonly spares: number;
  /** All that children see of the worker's environment; by name, so that nothing slips in. */
  readonly environment: {
    readonly PATH: string;
    readonly LANG?: string | undefined;
    readonly TZ?: string | undefined;
  };
  /** Node of the children. Default: the worker's own. */
  readonly nodePath?: string | undefined;
  /** Flags of the children's Node, for example a heap limit. */
  readonly nodeArgs?: readonly string[] | undefined;
}

export interface JobProcesses {
  /** Kills what a crashed worker with this root left running. Call before the first `start`, and before sweeping workspaces. */
  sweep(): Promise<void>;
  /** Never throws for what a job does. */
  start(spec: JobProcessSpec): JobProcess;
  /** Kills spares and running attempts; resolves when all are gone. */
  close(): Promise<void>;
}

export declare function createJobProcesses(config: JobProcessesConfig): JobProcesses;
