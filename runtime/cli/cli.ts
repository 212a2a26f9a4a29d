/** The `jobyard` command: its subcommands, and what its exit code says. */
import { Command, CommanderError } from "commander";
import { messageOf } from "../core/errors.ts";
import { packCommand } from "./pack-command.ts";
import type { Terminal } from "./terminal.ts";

/** Done; the command failed and said why; it was called wrongly. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const;

const STANDARD: Terminal = {
  out: (text) => process.stdout.write(`${text}\n`),
  error: (text) => process.stderr.write(`${text}\n`),
};

/** Runs one command line. Never throws: resolves to the exit code. */
export async function runCli(args: readonly string[], terminal: Terminal = STANDARD): Promise<number> {
  const program = new Command("jobyard")
    .description("Background jobs on Azure: package them, run them, follow them.")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.error(text.trimEnd()),
    })
    .addCommand(packCommand(terminal));
  for (const command of program.commands) command.copyInheritedSettings(program);
  try {
    await program.parseAsync(args, { from: "user" });
    return EXIT.done;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    terminal.error(messageOf(error));
    return EXIT.failed;
  }
}
