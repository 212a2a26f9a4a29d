/** `npm run recover`: makes a stack deployable again after a `pulumi up` that died. docs/deploy.md, "When `up` has died" */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Command } from "commander";
import { recoveredState, recoveryLines, stateSchema } from "./recovered-state.ts";
import { ROOT } from "./stack-graph.ts";

const { stack, unlock } = new Command("npm run recover --")
  .description("Writes down what a `pulumi up` that died has created, so that the next one goes on from there.")
  .requiredOption("--stack <name>", "the stack")
  .option("--unlock", "take away the lock of the `up` that died; only when nobody is deploying this stack", false)
  .allowExcessArguments(false)
  .parse()
  .opts<{ readonly stack: string; readonly unlock: boolean }>();

/** Its standard error goes to ours. */
const pulumi = (args: readonly string[]): string =>
  execFileSync("pulumi", [...args, "--stack", stack, "--non-interactive"], {
    encoding: "utf8",
    maxBuffer: 1024 * 1024 * 1024,
    stdio: ["ignore", "pipe", "inherit"],
  });

function recover(): void {
  const before = pulumi(["stack", "export"]);
  const recovered = recoveredState(stateSchema.parse(JSON.parse(before)), process.env["ARM_SUBSCRIPTION_ID"]);
  const file = (name: string): string => join(folder, `${stack}-${stamp}-${name}.json`);
  const folder = join(ROOT, "dist", "recover");
  const stamp = new Date().toISOString().replaceAll(/[:.]/g, "-");
  mkdirSync(folder, { recursive: true });
  // It has what the stack knows of its resources, secrets encrypted.
  writeFileSync(file("before"), before, { mode: 0o600 });
  writeFileSync(file("after"), JSON.stringify(recovered.state), { mode: 0o600 });
  console.log(`The state as it was: ${file("before")}`);

  if (unlock) pulumi(["cancel", "--yes"]);
  pulumi(["stack", "import", "--file", file("after")]);
  for (const line of recoveryLines(recovered)) console.log(line);
  console.log(`Next: pulumi preview --stack ${stack}, then pulumi up --stack ${stack}`);
}

try {
  recover();
} catch (error) {
  // What Pulumi has said is on the screen already.
  console.error(error instanceof Error ? error.message : error);
  console.error("If the stack is locked by an `up` that is dead: npm run recover -- --stack", stack, "--unlock");
  process.exitCode = 1;
}
