/**
 * What a supervisor and its programs say to each other of all programs, over their IPC channel. The supervisor sends the whole
 * list at every change; a program may ask for the restart of any.
 */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { CONSOLE_MAX_BYTES, type Program, type Programs } from "../core/ports/programs.ts";

export interface ProgramsMessage {
  readonly type: "programs";
  readonly programs: readonly SupervisedProgram[];
}

export interface SupervisedProgram extends Omit<Program, "startedAt"> {
  /** As ISO 8601: messages are JSON. */
  readonly startedAt: string;
  readonly logFile: string;
}

export interface RestartMessage {
  readonly type: "restart-program";
  readonly name: string;
}

const isOfType = (message: unknown, type: string): boolean =>
  typeof message === "object" && message !== null && "type" in message && message.type === type;

const isProgramsMessage = (message: unknown): message is ProgramsMessage => isOfType(message, "programs");

export const isRestartMessage = (message: unknown): message is RestartMessage => isOfType(message, "restart-program");

/** `channel`: this process. Nothing comes over it, and the list is empty, if no supervisor started it. */
export function hearOfPrograms(channel: Pick<NodeJS.Process, "on" | "send">): Programs {
  let programs: readonly SupervisedProgram[] = [];
  channel.on("message", (message) => {
    if (isProgramsMessage(message)) programs = message.programs;
  });
  const find = (name: string) => programs.find((program) => program.name === name);
  return {
    list: () =>
      programs.map(({ name, state, startedAt, restartCount }) => {
        return { name, state, startedAt: new Date(startedAt), restartCount };
      }),
    async openConsole(name) {
      const program = find(name);
      if (program === undefined) return undefined;
      const { size } = await stat(program.logFile);
      return createReadStream(program.logFile, { start: Math.max(0, size - CONSOLE_MAX_BYTES) });
    },
    restart(name) {
      if (find(name) === undefined) return false;
      channel.send?.({ type: "restart-program", name } satisfies RestartMessage);
      return true;
    },
  };
}
