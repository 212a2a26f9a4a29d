#!/usr/bin/env node
/** Starts the command line, which is TypeScript, on a Node that can run it. */
import { keepLoopbackDirect } from "../platform/loopback-direct.mjs";
// As a whole: an import by name of what an old Node lacks would end in a stack trace.
import module from "node:module";
import { join } from "node:path";
import { nodeVersionProblem } from "../platform/node-version.mjs";

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
// From the second time on, nothing is compiled. Where nothing can be written, it does nothing.
module.enableCompileCache(join(import.meta.dirname, "../../node_modules/.cache/jobyard/compiled"));
const { runCli } = await import("./cli.ts");
process.exitCode = await runCli(process.argv.slice(2), { signal: interrupted.signal });
