/** Reads a command line by the table of commands, with Commander: help, defaults, and what is wrong with it. */
import { Argument, Command, Option } from "commander";
import { wholeNumber } from "../local/whole-number.ts";
import type { ArgumentSpec, CommandSpec, OptionSpec } from "./command-spec.ts";
import type { Surroundings } from "./terminal.ts";

/** What the table's types do not say is kept by its tests: an action gets what its row asks for. */
type AnyAction = (options: object, around: Surroundings, ...args: readonly unknown[]) => Promise<void>;

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
      `\nWithout a command: ${defaultCommand}. Its options: jobyard ${name} ${defaultCommand} --help`,
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
