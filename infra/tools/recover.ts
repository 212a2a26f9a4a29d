/**
 * `npm run recover`: makes a stack deployable again after a killed `pulumi up`. docs/deploy.md, "When `pulumi up` has
 * died"
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Command } from "commander";
import { z } from "zod";
import { recoveredState, recoveryLines, stateSchema } from "./recovered-state.ts";
import { ROOT } from "./stack-graph.ts";
import { mendTornState } from "./torn-state.ts";

const { stack, unlock } = new Command("npm run recover --")
  .description("Adds what a killed `pulumi up` has created to the state, so that the next one continues from there.")
  .requiredOption("--stack <name>", "the stack")
  .option("--unlock", "remove the lock of the killed `up`; only if nobody else is deploying this stack", false)
  .allowExcessArguments(false)
  .parse()
  .opts<{ readonly stack: string; readonly unlock: boolean }>();

const backendSchema = z.object({ url: z.string() });

/** Runs Pulumi and returns its output. Its standard error goes to the standard error of this process. */
const pulumi = (args: readonly string[]): string =>
  execFileSync("pulumi", [...args, "--stack", stack, "--non-interactive"], {
    encoding: "utf8",
    maxBuffer: 1024 * 1024 * 1024,
    stdio: ["ignore", "pipe", "inherit"],
  });

function recover(): void {
  const { url } = backendSchema.parse(JSON.parse(execFileSync("pulumi", ["whoami", "--json"], { encoding: "utf8" })));
  for (const line of mendTornState(url, stack)) console.log(line);
  const before = pulumi(["stack", "export"]);
  const recovered = recoveredState(stateSchema.parse(JSON.parse(before)), process.env["ARM_SUBSCRIPTION_ID"]);
  const file = (name: string): string => join(folder, `${stack}-${stamp}-${name}.json`);
  const folder = join(ROOT, "dist", "recover");
  const stamp = new Date().toISOString().replaceAll(/[:.]/g, "-");
  mkdirSync(folder, { recursive: true });
  // The files contain the state, with encrypted secrets.
  writeFileSync(file("before"), before, { mode: 0o600 });
  writeFileSync(file("after"), JSON.stringify(recovered.state), { mode: 0o600 });
  console.log(`The old state: ${file("before")}`);

  if (unlock) pulumi(["cancel", "--yes"]);
  pulumi(["stack", "import", "--file", file("after")]);
  for (const line of recoveryLines(recovered)) console.log(line);
  console.log(`Next: pulumi preview --stack ${stack}, then pulumi up --stack ${stack}`);
}

try {
  recover();
} catch (error) {
  // Pulumi has printed its message already.
  console.error(error instanceof Error ? error.message : error);
  console.error("If a killed `up` has locked the stack: npm run recover -- --stack", stack, "--unlock");
  process.exitCode = 1;
}
