/** What is to be rehearsed, as `main.ts` tells it to `inside.ts`. */
export interface RehearsalRequest {
  readonly stack: string;
  /** Names of steps; none: all. */
  readonly only: readonly string[];
  /** Whether worker machines can be started here. */
  readonly machines: boolean;
  /** Most machines at a time. */
  readonly maxMachines: number;
  /** Leaves everything running at the end, until it is interrupted. */
  readonly keep: boolean;
  readonly json: boolean;
  /** For everything that is written; with the certificates of this run in it. */
  readonly folder: string;
  /** The machines' file system; undefined without machines. */
  readonly tree: string | undefined;
  /** A tar archive with Node in it, as Node's own have it. */
  readonly nodeArchive: string;
}
