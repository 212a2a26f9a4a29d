/** What a program knows of all programs under its supervisor, and how it has one restarted. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { CONSOLE_MAX_BYTES, type Programs } from "../core/ports/programs.ts";
import { isMessage, type RestartMessage, type SupervisedProgram } from "./supervisor-messages.ts";

/** `channel`: this process. Without a supervisor the list is empty. */
export function programsOfSupervisor(channel: Pick<NodeJS.Process, "on" | "send">): Programs {
  let programs: readonly SupervisedProgram[] = [];
  channel.on("message", (message) => {
    if (isMessage(message, "programs")) programs = message.programs;
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
