/**
 * `npm run infra:graph -- --stack dev [--json]`: lists what `pulumi up` would register for a stack, without an account.
 * It runs the real program in Pulumi's own loader, with a stub of the engine.
 */
import { Command } from "commander";
import { ProgramFailedError, type Registration } from "./stub-engine.ts";
import { stackGraph } from "./stack-graph.ts";

const command = new Command("npm run infra:graph --")
  .description("Prints every resource that a stack registers, with its inputs and dependencies.")
  .requiredOption("--stack <name>", "the stack; its configuration is Pulumi.<name>.yaml")
  .option("--json", "print everything as one JSON object on one line", false)
  .allowExcessArguments(false);
command.parse();
const { stack, json } = command.opts<{ readonly stack: string; readonly json: boolean }>();

try {
  const graph = await stackGraph({ stack, environment: process.env });
  if (json) console.log(JSON.stringify(graph));
  else console.log([...tree(graph.registrations, ""), "", `${graph.registrations.length} registrations`].join("\n"));
} catch (error) {
  console.error(error instanceof ProgramFailedError ? error.message : error);
  process.exitCode = 1;
}

/** Components and their children. */
function tree(all: readonly Registration[], parent: string, indent = ""): readonly string[] {
  return all
    .filter((registration) => registration.parent === parent)
    .flatMap(({ type, name, protect }) => [
      `${indent}${name}  ${type}${protect ? "  (protected)" : ""}`,
      ...tree(all, `${type}::${name}`, `${indent}  `),
    ]);
}
