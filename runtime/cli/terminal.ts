/** A command's input, output and environment, which tests replace. */
import { randomInt } from "node:crypto";
import { styleText } from "node:util";
import { DIRECTION_CONTROLS, LINE_SEPARATORS, printable } from "../core/text.ts";

export interface Terminal {
  /** Prints a line of the result. */
  readonly out: (text: string) => void;
  /** Prints a line for people: errors, warnings, progress. */
  readonly error: (text: string) => void;
  /** Prints text without a line break, such as logs of jobs. */
  readonly write: (text: string) => void;
  /** In colour, if colours are on and NO_COLOR is not set. */
  readonly paint: (style: Parameters<typeof styleText>[0], text: string) => string;
  /** For progress bars; undefined if there is no terminal. */
  readonly screen: NodeJS.WriteStream | undefined;
  /** Maximum width of lists; Infinity without a limit. */
  readonly columns: number;
}

export interface Surroundings {
  readonly terminal: Terminal;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly input: NodeJS.ReadableStream;
  /** Ctrl-C. */
  readonly signal: AbortSignal;
}

export interface StandardStreams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

export interface StandardTerminal extends Terminal {
  /** Turns the filter off. */
  showRaw(): void;
}

/**
 * The terminal of the process. Text comes from the service, jobs and packages, so control sequences are removed on a
 * terminal. Our own colours stay, because `paint` marks them with a secret number.
 */
export function standardTerminal({ stdout, stderr }: StandardStreams): StandardTerminal {
  // Terminals and libraries that measure text ignore unknown parameters.
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
    // Text of jobs contains none of our colours.
    write: (text) => stdout.write(raw || !stdout.isTTY ? text : printable(text)),
    // Respects NO_COLOR and whether the stream is a terminal.
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

const UNESCAPED = new RegExp(`[\\u007f-\\u009f${LINE_SEPARATORS}${DIRECTION_CONTROLS}]`, "g");

/**
 * JSON that is safe on a terminal: escapes characters that JSON keeps but terminals obey or readers take as the end of
 * a line. The value is the same.
 */
export const jsonLine = (value: unknown, indent = 0): string =>
  JSON.stringify(value, null, indent).replace(
    UNESCAPED,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** Indented for people on a terminal; one line for programs. */
export const jsonResult = (value: unknown, { columns }: Pick<Terminal, "columns">): string =>
  jsonLine(value, Number.isFinite(columns) ? 2 : 0);
