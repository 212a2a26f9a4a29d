#!/usr/bin/env node
/** Starts the command line, which is TypeScript, on a Node that can run it. */
import { keepLoopbackDirect } from "../loopback-direct.mjs";
import { nodeVersionProblem } from "../node-version.mjs";

const problem = nodeVersionProblem();
if (problem !== undefined) {
  console.error(problem);
  process.exit(1);
}
keepLoopbackDirect();
const interrupted = new AbortController();
process.once("SIGINT", () => interrupted.abort());
// Whoever reads us has read enough: `jobyard jobs … | head`.
process.stdout.on("error", (error) => process.exit(error.code === "EPIPE" ? 0 : 1));
const { runCli } = await import("./cli.ts");
process.exitCode = await runCli(process.argv.slice(2), { signal: interrupted.signal });
