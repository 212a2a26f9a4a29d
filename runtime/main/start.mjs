// Starts one of the project's programs: `node runtime/main/start.mjs api|worker|storage|bus|identity|local [arguments]`.
// Plain JavaScript, so that a Node too old for TypeScript gets a clear message instead of a stack trace.
// Imported as a whole, because a named import that an old Node lacks would also end in a stack trace.
import module from "node:module";
import { join } from "node:path";
import { keepLoopbackDirect } from "../platform/loopback-direct.mjs";
import { nodeVersionProblem } from "../platform/node-version.mjs";
import { windowsProblem } from "../platform/windows.mjs";
import { missingModule } from "./missing-module.mjs";

const problem = windowsProblem() ?? nodeVersionProblem();
if (problem !== undefined) {
  console.error(problem);
  process.exit(1);
}
const PROGRAMS = {
  api: () => import("./api.ts"),
  worker: () => import("./worker.ts"),
  storage: () => import("./storage.ts"),
  bus: () => import("./bus.ts"),
  identity: () => import("./identity.ts"),
  local: () => import("./local.ts"),
};
const [name] = process.argv.splice(2, 1);
if (!Object.hasOwn(PROGRAMS, name)) {
  console.error(`Choose a program: ${Object.keys(PROGRAMS).join(", ")}.`);
  process.exit(2);
}
keepLoopbackDirect();
// The compile cache halves the start time from the second start on. It has no effect on a read-only disk.
module.enableCompileCache(join(import.meta.dirname, "../../node_modules/.cache/jobyard/compiled"));
try {
  await PROGRAMS[name]();
} catch (error) {
  const sentence = missingModule(error);
  if (sentence === undefined) throw error;
  console.error(sentence);
  process.exit(1);
}
