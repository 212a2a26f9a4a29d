// What Pulumi starts. Plain JavaScript, because the engine takes the Node that is first on the PATH: one too old for
// TypeScript ends in a sentence instead of a stack trace.
import * as pulumi from "@pulumi/pulumi";
import { nodeVersionProblem } from "../runtime/platform/node-version.mjs";

const problem = nodeVersionProblem();
if (problem !== undefined) throw new pulumi.RunError(problem);

// The outputs of the stack.
export default await import("./program.ts");
