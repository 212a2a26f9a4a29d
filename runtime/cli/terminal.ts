/** Where a command writes, so that tests can read it. */
export interface Terminal {
  /** A line of result. */
  readonly out: (text: string) => void;
  /** A line for whoever watches: problems, warnings. */
  readonly error: (text: string) => void;
}
