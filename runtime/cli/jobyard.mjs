#!/usr/bin/env node
/** Starts the command line, which is TypeScript, on a Node that can run it. */
import { keepLoopbackDirect } from "../platform/loopback-direct.mjs";
// Imported as a whole, because a named import that an old Node lacks would end in a stack trace.
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
// The reader has closed the pipe: `jobyard jobs … | head`.
process.stdout.on("error", (error) => process.exit(error.code === "EPIPE" ? 0 : 1));
// The compile cache saves time from the second start on. It has no effect on a read-only disk.
module.enableCompileCache(join(import.meta.dirname, "../../node_modules/.cache/jobyard/compiled"));
const { runCli } = await import("./cli.ts");
process.exitCode = await runCli(process.argv.slice(2), { signal: interrupted.signal });
