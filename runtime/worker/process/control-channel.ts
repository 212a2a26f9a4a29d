/**
 * The worker's end of the two pipes to a child host. Whatever comes from a child is untrusted: its length, its rate and
 * its shape are checked here.
 */
import type { ChildProcess } from "node:child_process";
import { Readable, Writable } from "node:stream";
import { z } from "zod";
import {
  type HostCommand,
  type HostReport,
  COMMANDS_DESCRIPTOR,
  HOST_FAILURE_CODES,
  REPORTS_DESCRIPTOR,
} from "./host/messages.ts";
import { readPaced, splitLines } from "./captured-output.ts";
import { CONTROL_LINE_MAX_BYTES, CONTROL_WINDOW_BYTES, READ_WINDOW_MS } from "./process-limits.ts";

export interface ControlChannel {
  send(command: HostCommand): void;
  /** Nothing more will be reported. */
  readonly closed: Promise<void>;
  destroy(): void;
}

export interface ControlListener {
  readonly report: (report: HostReport) => void;
  /** The child does not keep to the protocol; nothing more is read from it. */
  readonly broken: (problem: string) => void;
}

const text = z.string();
/** Which job it is about, in a shared child. */
const id = z.int().exactOptional();
const reports = z.discriminatedUnion("type", [
  z.object({ type: z.enum(["ready", "pong", "retire", "leaving"]) }),
  z.object({ type: z.literal("progress"), id, fraction: z.number().exactOptional(), text: text.exactOptional() }),
  z.object({ type: z.literal("log"), id, source: z.enum(["log", "err"]), text }),
  z.object({ type: z.literal("print"), id, source: z.enum(["out", "err"]), text }),
  z.object({ type: z.literal("returned"), id, output: text.exactOptional(), stopping: z.boolean() }),
  z.object({
    type: z.literal("failed"),
    id,
    code: z.enum(HOST_FAILURE_CODES),
    message: text,
    retryable: z.boolean(),
    stopping: z.boolean(),
  }),
]);

/** `listener()` is asked at every report, because a spare child is listened to by others than the one that started it. */
export function openControlChannel(child: ChildProcess, listener: () => ControlListener): ControlChannel {
  const incoming = child.stdio[REPORTS_DESCRIPTOR];
  const outgoing = child.stdio[COMMANDS_DESCRIPTOR];
  if (!(incoming instanceof Readable) || !(outgoing instanceof Writable)) {
    throw new TypeError("A child host needs pipes on descriptors 3 and 4.");
  }
  // A child that has closed its end is about to end or to be ended; that is noticed elsewhere.
  outgoing.on("error", () => undefined);

  let isBroken = false;
  function fail(problem: string): void {
    if (isBroken) return;
    isBroken = true;
    incoming?.destroy();
    listener().broken(problem);
  }

  const lines = splitLines(CONTROL_LINE_MAX_BYTES, (line, whole) => {
    if (isBroken) return;
    const report = whole ? parseReport(line) : undefined;
    if (report !== undefined) listener().report(report);
    else fail(whole ? "a message that is none" : `a message of more than ${CONTROL_LINE_MAX_BYTES} bytes`);
  });
  const pace = { windowMs: READ_WINDOW_MS, windowBytes: CONTROL_WINDOW_BYTES };

  return {
    send: (command) => outgoing.write(`${JSON.stringify(command)}\n`),
    closed: readPaced(incoming, pace, (chunk) => lines.push(chunk)),
    destroy() {
      incoming.destroy();
      outgoing.destroy();
    },
  };
}

function parseReport(line: Buffer): HostReport | undefined {
  try {
    return reports.parse(JSON.parse(line.toString("utf8")));
  } catch {
    return undefined;
  }
}
