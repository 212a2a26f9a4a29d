/**
 * The child's ends of the two pipes to its worker. Everything it needs is captured before user code is loaded. Reports are
 * written at once, so they arrive even if the job ends its process in the next line.
 */
import { writeSync } from "node:fs";
import { Socket } from "node:net";
import { splitLines } from "../log/captured-output.ts";
import { CONTROL_LINE_MAX_BYTES } from "../process-limits.ts";
import { COMMANDS_DESCRIPTOR, type HostCommand, type HostReport, REPORTS_DESCRIPTOR } from "./messages.ts";

export interface WorkerChannel {
  report(report: HostReport): void;
  /** Whether waiting for commands alone keeps this process alive. */
  keepAlive(keep: boolean): void;
}

const { parse, stringify } = JSON;
const write = writeSync;
const kill = process.kill.bind(process);
const { pid } = process;

/** Parameters are up to 1 MiB and settings nearly as much, escaped once more; our own worker wrote them, so this is no defence. */
const COMMAND_MAX_BYTES = 64 * CONTROL_LINE_MAX_BYTES;

export function openWorkerChannel(onCommand: (command: HostCommand) => void): WorkerChannel {
  const commands = new Socket({ fd: COMMANDS_DESCRIPTOR, readable: true, writable: false });
  const lines = splitLines(COMMAND_MAX_BYTES, (line) => onCommand(parse(line.toString("utf8")) as HostCommand));
  commands.on("data", (chunk: Buffer) => lines.push(chunk));
  commands.on("error", leave);
  commands.on("close", leave);

  return {
    report(report) {
      let rest = Buffer.from(`${stringify(report)}\n`);
      try {
        while (rest.length > 0) rest = rest.subarray(write(REPORTS_DESCRIPTOR, rest));
      } catch {
        // The worker no longer reads: it has closed the channel, or user code has.
      }
    },
    keepAlive(keep) {
      if (keep) commands.ref();
      else commands.unref();
    },
  };
}

/** The worker is gone, so another one will run the job: nothing of this copy, children included, may go on. */
function leave(): void {
  try {
    kill(-pid, "SIGKILL");
  } catch {
    // Not the leader of a group, as when started by hand.
  }
  kill(pid, "SIGKILL");
}

const PIECE_LENGTH = 16 * 1024;

/** Pieces of which each fits into a message, however it is escaped. At least one; no character is cut in two. */
export function* piecesOf(text: string): Generator<string> {
  let start = 0;
  do {
    let end = Math.min(start + PIECE_LENGTH, text.length);
    if (end < text.length && isLeadSurrogate(text.charCodeAt(end - 1))) end -= 1;
    yield text.slice(start, end);
    start = end;
  } while (start < text.length);
}

const isLeadSurrogate = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00;
