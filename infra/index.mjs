// Pulumi starts this file. It is plain JavaScript, because the engine uses the first Node on the PATH. A Node too old
// for TypeScript then fails with a clear sentence instead of a stack trace.
import * as pulumi from "@pulumi/pulumi";
import { nodeVersionProblem } from "../runtime/platform/node-version.mjs";

const problem = nodeVersionProblem();
if (problem !== undefined) throw new pulumi.RunError(problem);

// The outputs of the stack.
export default await import("./program.ts");
