/** The IPC messages between a supervisor and its programs. */
import type { ProgramStatus } from "../core/ports/programs.ts";

/** From the supervisor, at every change: how to stop if it dies. */
export interface OrphanOrders {
  readonly type: "orphan-orders";
  /** Process ids of the programs that need this one. It stops after they have ended. */
  readonly stopAfter: readonly number[];
  /** After this time the program is killed. */
  readonly graceMs: number;
}

/** From the supervisor, at every change: how all programs are. */
export interface ProgramsMessage {
  readonly type: "programs";
  readonly programs: readonly SupervisedProgram[];
}

export interface SupervisedProgram extends Omit<ProgramStatus, "startedAt"> {
  /** As ISO 8601: messages are JSON. */
  readonly startedAt: string;
  readonly logFile: string;
}

/** From a program: it does its work from now on. What else it says goes to whoever started it. */
export interface ReadyMessage extends Readonly<Record<string, unknown>> {
  readonly type: "ready";
}

/** From a program: it asks for the restart of one. */
export interface RestartMessage {
  readonly type: "restart-program";
  readonly name: string;
}

type Message = OrphanOrders | ProgramsMessage | ReadyMessage | RestartMessage;

/** Both ends of the channel are ours: a message of this type has its fields. */
export const isMessage = <T extends Message["type"]>(
  message: unknown,
  type: T,
): message is Extract<Message, { readonly type: T }> =>
  typeof message === "object" && message !== null && "type" in message && message.type === type;
