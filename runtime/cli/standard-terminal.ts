/**
 * The terminal of the process. What commands print comes from the service, from jobs and from packages, so all of it is
 * filtered where a terminal would obey it. Colours of our own pass: `paint` signs them with a number nobody else knows.
 */
import { randomInt } from "node:crypto";
import { styleText } from "node:util";
import { printable } from "../core/plain-text.ts";
import type { Terminal } from "./terminal.ts";

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
