/** The `jobyard` command: parses a command line by the table of commands, runs it, and reports the result. */
import { Argument, Command, CommanderError, Option } from "commander";
import { isJobServiceError } from "../client/job-service-error.ts";
import { messageOf } from "../core/errors.ts";
import { wholeNumber } from "../platform/whole-number.ts";
import type { ArgumentSpec, CommandSpec, OptionSpec } from "./command-spec.ts";
import { EXIT, EXIT_MEANINGS, type ExitCode, InterruptedError, JobsFailedError, exitCodeOf } from "./exit-codes.ts";
import { ownPackage } from "./own-package.ts";
import { COMMANDS } from "./specs/commands.ts";
import { type Surroundings, standardTerminal } from "./terminal.ts";

/** Runs one command line. Never throws: resolves to the exit code. */
export async function runCli(args: readonly string[], given: Partial<Surroundings> = {}): Promise<ExitCode> {
  const standard = standardTerminal(process);
  const around: Surroundings = {
    terminal: standard,
    env: process.env,
    input: process.stdin,
    signal: new AbortController().signal,
    ...given,
  };
  const { terminal, signal } = around;
  const width = (): number => (Number.isFinite(terminal.columns) ? terminal.columns : HELP_COLUMNS);
  const program = new Command("jobyard")
    .description("Background jobs on Azure: package them, run them, follow them.")
    .version(ownPackage().version, "-V, --version", "print the version")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.error(text.trimEnd()),
      getOutHelpWidth: width,
      getErrHelpWidth: width,
    })
    .addHelpText("after", exitCodesHelp)
    .hook("preAction", (_program, action) => {
      if (action.opts<{ readonly raw?: true }>().raw) standard.showRaw();
    });
  addCommands(program, COMMANDS, around);
  inherit(program);
  try {
    await program.parseAsync(args, { from: "user" });
    return EXIT.done;
  } catch (error) {
    if (signal.aborted) return exitCodeOf(new InterruptedError());
    if (!(error instanceof CommanderError) && !(error instanceof JobsFailedError)) terminal.error(explain(error));
    return exitCodeOf(error);
  }
}

/** Width where nothing limits it. */
const HELP_COLUMNS = 80;

const exitCodesHelp = (): string =>
  `\nExit codes:\n${EXIT_MEANINGS.map(([code, meaning]) => `  ${String(code).padEnd(4)} ${meaning}`).join("\n")}`;

function inherit(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent);
    inherit(command);
  }
}

const HINTS: Readonly<Record<string, string>> = {
  Unauthenticated: "Sign in with: jobyard login",
  Forbidden:
    "An administrator assigns roles with az rest: see docs/deploy.md. Then sign in again.\n" +
    "For npm start on this machine: jobyard login --local --as admin",
};

function explain(error: unknown): string {
  if (!isJobServiceError(error)) return messageOf(error);
  const { code, message, details, requestId } = error;
  const hint = HINTS[code];
  const lines = [
    ...details.slice(1).map((detail) => `${detail.target}: ${detail.message}`),
    ...(hint === undefined ? [] : hint.split("\n")),
    `(${code}${requestId === undefined ? "" : `, request ${requestId}`})`,
  ];
  return [message, ...lines.map((line) => `  ${line}`)].join("\n");
}

/** Tests check what the types cannot: an action receives the options in its row. */
type AnyAction = (options: object, around: Surroundings, ...args: readonly unknown[]) => Promise<void>;

/** Converts the table to commands of Commander, which does help, defaults and errors. */
export function addCommands(to: Command, specs: readonly CommandSpec[], around: Surroundings): void {
  for (const spec of specs) to.addCommand(commandOf(spec, around));
}

function commandOf(spec: CommandSpec, around: Surroundings): Command {
  const { name, summary, examples = [], load, commands = [], defaultCommand } = spec;
  const command = new Command(name).description(summary);
  for (const argument of spec.arguments ?? []) command.addArgument(argumentOf(argument));
  for (const option of spec.options ?? []) command.addOption(optionOf(option));
  if (examples.length > 0) command.addHelpText("after", `\nExamples:\n${examples.map(lineOf).join("\n")}`);
  for (const child of commands) {
    command.addCommand(commandOf(child, around), { isDefault: child.name === defaultCommand });
  }
  if (defaultCommand !== undefined)
    command.addHelpText(
      "after",
      `\nDefault command: ${defaultCommand}. Its options: jobyard ${name} ${defaultCommand} --help`,
    );
  if (load !== undefined) {
    command.action(async () => {
      const action = (await load()) as AnyAction;
      await action(command.opts(), around, ...(command.processedArgs as readonly unknown[]));
    });
  }
  return command;
}

const lineOf = (example: string): string => (example.includes("jobyard ") ? `  ${example}` : `  jobyard ${example}`);

function argumentOf({ name, text, choices }: ArgumentSpec): Argument {
  const argument = new Argument(name, text);
  return choices === undefined ? argument : argument.choices(choices);
}

function optionOf({ flags, text, choices, number, default: usual }: OptionSpec): Option {
  const option = new Option(flags, text);
  if (choices !== undefined) option.choices(choices);
  if (number !== undefined) option.argParser(wholeNumber(...number));
  return usual === undefined ? option : option.default(usual);
}
