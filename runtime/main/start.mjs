// Starts one of the project's programs: `node runtime/main/start.mjs api|worker|storage|bus|identity|local [arguments]`.
// Plain JavaScript, so that a Node too old for TypeScript ends in a sentence instead of a stack trace.
// As a whole: an import by name of what an old Node lacks would end in a stack trace as well.
import module from "node:module";
import { join } from "node:path";
import { keepLoopbackDirect } from "../platform/loopback-direct.mjs";
import { nodeVersionProblem } from "../platform/node-version.mjs";
import { missingModule } from "./missing-module.mjs";

const problem = nodeVersionProblem();
if (problem !== undefined) {
  console.error(problem);
  process.exit(1);
}
const PROGRAMS = ["api", "worker", "storage", "bus", "identity", "local"];
const [name] = process.argv.splice(2, 1);
if (!PROGRAMS.includes(name)) {
  console.error(`Name a program: ${PROGRAMS.join(", ")}.`);
  process.exit(2);
}
keepLoopbackDirect();
// Halves what the programs take to start, from the second time on. Where nothing can be written, it does nothing.
module.enableCompileCache(join(import.meta.dirname, "../../node_modules/.cache/jobyard/compiled"));
try {
  await import(`./${name}.ts`);
} catch (error) {
  const sentence = missingModule(error);
  if (sentence === undefined) throw error;
  console.error(sentence);
  process.exit(1);
}
