/** The programs that run beside this one under the same supervisor, as `npm start` has them. */

export const PROGRAM_STATES = ["starting", "running", "restarting"] as const;

export interface ProgramStatus {
  /** Also the name of its console's file, without `.log`. */
  readonly name: string;
  readonly state: (typeof PROGRAM_STATES)[number];
  /** Of its latest start. */
  readonly startedAt: Date;
  /** How often it has ended and was started again. */
  readonly restartCount: number;
}

export interface Programs {
  /** In the order of their first start. */
  list(): readonly ProgramStatus[];
  /** The end of what it has printed, at most `CONSOLE_MAX_BYTES`. Undefined: there is no such program. */
  openConsole(name: string): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** Asks the supervisor to stop it as at its own end, and to start it again. False: there is no such program. */
  restart(name: string): boolean;
}

/** Some hundred lines: enough to see what happened, small enough to be read again every few seconds. */
export const CONSOLE_MAX_BYTES = 64 * 1024;
