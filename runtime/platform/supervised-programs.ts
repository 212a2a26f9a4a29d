/**
 * The IPC messages between a supervisor and its programs about all of them. The supervisor sends the whole list at every change;
 * a program may ask for the restart of any.
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

/** `channel`: this process. Without a supervisor the list is empty. */
export function programsOfSupervisor(channel: Pick<NodeJS.Process, "on" | "send">): Programs {
  let programs: readonly SupervisedProgram[] = [];
  channel.on("message", (message) => {
    if (isProgramsMessage(message)) programs = message.programs;
  });
  // The supervisor is gone, and nobody restarts anything.
  channel.on("disconnect", () => {
    programs = [];
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
      const size = await sizeOf(program.logFile);
      if (size === 0) return new Blob([]).stream();
      const start = Math.max(0, size - CONSOLE_MAX_BYTES);
      // It may grow while it is read.
      return createReadStream(program.logFile, { start, end: size - 1 });
    },
    restart(name) {
      if (find(name) === undefined) return false;
      // Fails only if the supervisor has just ended.
      channel.send?.({ type: "restart-program", name } satisfies RestartMessage, () => undefined);
      return true;
    },
  };
}

/** 0 for a file that somebody has removed. */
async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return 0;
    throw error;
  }
}
