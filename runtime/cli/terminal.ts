/** Where a command reads and writes, and what it knows of its surroundings, so that tests can be all of that. */
import type { styleText } from "node:util";

export interface Terminal {
  /** A line of result. */
  readonly out: (text: string) => void;
  /** A line for whoever watches: problems, warnings, progress. */
  readonly error: (text: string) => void;
  /** Text without a line break: what jobs have written. */
  readonly write: (text: string) => void;
  /** In colour, where colours are shown and NO_COLOR is not set. */
  readonly paint: (style: Parameters<typeof styleText>[0], text: string) => string;
  /** For bars that move; undefined where nobody sees them. */
  readonly screen: NodeJS.WriteStream | undefined;
  /** How wide lists may be; Infinity where nothing limits them. */
  readonly columns: number;
}

export interface Surroundings {
  readonly terminal: Terminal;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly input: NodeJS.ReadableStream;
  /** Ctrl-C. */
  readonly signal: AbortSignal;
}
