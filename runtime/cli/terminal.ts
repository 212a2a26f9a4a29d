/** Where a command reads and writes, and what it knows of its surroundings, so that tests can be all of that. */
import { randomInt } from "node:crypto";
import { styleText } from "node:util";
import { DIRECTION_CONTROLS, LINE_SEPARATORS, printable } from "../core/text.ts";

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

// The terminal of the process. What commands print comes from the service, from jobs and from packages, so all of it is
// filtered where a terminal would obey it. Colours of our own pass: `paint` signs them with a number nobody else knows.

export interface StandardStreams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

export interface StandardTerminal extends Terminal {
  /** From now on nothing is filtered. */
  showRaw(): void;
}

export function standardTerminal({ stdout, stderr }: StandardStreams): StandardTerminal {
  // Terminals and the libraries that measure text pass over parameters they do not know.
  const signature = Array.from({ length: 3 }, () => randomInt(1_000, 10_000)).join(";");
  const signed = new RegExp(`(\\u001b\\[)${signature};([\\d;]*m)`, "g");
  let raw = false;

  function shown(text: string, { isTTY }: NodeJS.WriteStream): string {
    if (raw || !isTTY) return text.replace(signed, "$1$2");
    let clean = "";
    let end = 0;
    for (const match of text.matchAll(signed)) {
      clean += printable(text.slice(end, match.index)) + match[0].replace(signed, "$1$2");
      end = match.index + match[0].length;
    }
    return clean + printable(text.slice(end));
  }

  return {
    out: (text) => stdout.write(`${shown(text, stdout)}\n`),
    error: (text) => stderr.write(`${shown(text, stderr)}\n`),
    // No colour of ours is in what jobs write.
    write: (text) => stdout.write(raw || !stdout.isTTY ? text : printable(text)),
    // Honours NO_COLOR and whether the stream is a terminal.
    paint(style, text) {
      const [open = "", close = ""] = styleText(style, "\0", { stream: stdout }).split("\0");
      const sign = (code: string): string => code.replaceAll("\u001b[", `\u001b[${signature};`);
      return `${sign(open)}${text}${sign(close)}`;
    },
    screen: stderr.isTTY ? stderr : undefined,
    columns: stdout.isTTY ? stdout.columns : Infinity,
    showRaw: () => void (raw = true),
  };
}

// Results as JSON that a terminal may have as well.

const UNESCAPED = new RegExp(`[\\u007f-\\u009f${LINE_SEPARATORS}${DIRECTION_CONTROLS}]`, "g");

/** With escapes for what JSON leaves as it is, and a terminal obeys or a reader of lines takes for one's end: the value is the same. */
export const jsonLine = (value: unknown, indent = 0): string =>
  JSON.stringify(value, null, indent).replace(
    UNESCAPED,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** For people on a terminal indented; one line for programs. */
export const jsonResult = (value: unknown, { columns }: Pick<Terminal, "columns">): string =>
  jsonLine(value, Number.isFinite(columns) ? 2 : 0);
