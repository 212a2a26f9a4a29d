/**
 * The private directories of one attempt: created fresh, removed afterwards whatever the job has left in them. What
 * lies in the package directory is somebody else's business (the package cache puts it there).
 */
export interface Workspace {
  /** Everything of the attempt is below. */
  readonly root: string;
  /** Not created: reserved for the attempt's copy of the package. */
  readonly packagePath: string;
  /** Current directory and HOME of the job; empty at start. */
  readonly workingPath: string;
  /** Files left here become artifacts. */
  readonly outputPath: string;
  /** TMPDIR of the job. */
  readonly temporaryPath: string;
  /** Where commands find their parameters. */
  readonly parametersFile: string;
  /** Where commands may leave their output. */
  readonly resultFile: string;
  /** Idempotent. Rejects if something resists; the next `sweep` tries again. */
  remove(): Promise<void>;
}

export interface Workspaces {
  /** Removes what a crashed worker left. Call before the first `create`. */
  sweep(): Promise<void>;
  create(): Promise<Workspace>;
}

/** `root` belongs to one worker alone. */
export declare function createWorkspaces(config: { readonly root: string }): Workspaces;
