/** The rehearsal's request, which `main.ts` passes to `inside.ts`. */
export interface RehearsalRequest {
  readonly stack: string;
  /** Names of steps. Empty: all. */
  readonly only: readonly string[];
  /** Whether worker machines can start here. */
  readonly machines: boolean;
  /** Maximum machines at a time. */
  readonly maxMachines: number;
  /** Keeps everything running at the end, until it is interrupted. */
  readonly keep: boolean;
  readonly json: boolean;
  /** The folder for all files. It contains the certificates of this run. */
  readonly folder: string;
  /** The machines' file system. Undefined without machines. */
  readonly tree: string | undefined;
  /** A tar archive with Node, in the form of Node's own archives. */
  readonly nodeArchive: string;
}
