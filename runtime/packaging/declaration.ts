/** Reads one call of `defineJob`: what can be known about a job without running it. */
import ts from "typescript";
import type { z } from "zod";
import { DISPLAY_NAME_MAX_LENGTH } from "../core/limits.ts";
import {
  fieldProblems,
  idleTimeoutSchema,
  isolationSchema,
  memorySchema,
  oneLine,
  retrySchema,
  timeoutSchema,
} from "../core/manifest-fields.ts";
import type { ManifestJob } from "../core/manifest.ts";
import { type Evaluate, NotConstant, propertyOf, unwrap } from "./evaluate.ts";
import type { PackProblem, SourcePosition } from "./problem.ts";
import { type SourceModule, positionOf } from "./source-modules.ts";

/** What the source says of a job; of the options only those that were written. */
export interface JobDeclaration extends Omit<ManifestJob, "entry"> {
  readonly file: string;
  readonly exportName: string;
  readonly position: SourcePosition;
}

interface Scan {
  readonly evaluate: Evaluate;
  readonly problems: PackProblem[];
}

/** Undefined when the declaration cannot be used; `problems` says why. */
export function readDeclaration(
  module: SourceModule,
  call: ts.CallExpression,
  exportName: string,
  scan: Scan,
): JobDeclaration | undefined {
  const options = optionsOf(module, call);
  if (options === undefined) {
    const message = "defineJob expects an object literal here, so that jobyard pack can read it without running it.";
    scan.problems.push({ message, position: positionOf(module, call.arguments[0] ?? call) });
    return undefined;
  }
  const spread = options.properties.find(ts.isSpreadAssignment);
  if (spread !== undefined) {
    const message = "Write these options out: jobyard pack reads them from the source without running it.";
    scan.problems.push({ message, position: positionOf(module, spread) });
    return undefined;
  }
  const jobType = constantProperty(scan, module, options, "jobType", oneLine(DISPLAY_NAME_MAX_LENGTH));
  const others = {
    retry: constantProperty(scan, module, options, "retry", retrySchema),
    timeoutMs: constantProperty(scan, module, options, "timeoutMs", timeoutSchema),
    idleTimeoutMs: constantProperty(scan, module, options, "idleTimeoutMs", idleTimeoutSchema),
    memoryMb: constantProperty(scan, module, options, "memoryMb", memorySchema),
    isolation: constantProperty(scan, module, options, "isolation", isolationSchema),
  };
  if (jobType === undefined) {
    if (!options.properties.some((property) => propertyOf(property)[0] === "jobType")) {
      scan.problems.push({ message: "This job has no jobType.", position: positionOf(module, options) });
    }
    return undefined;
  }
  return {
    jobType,
    ...withoutGaps(others),
    file: module.file,
    exportName,
    position: positionOf(module, call),
  };
}

const withoutGaps = <T extends object>(values: T): Partial<T> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;

function optionsOf(module: SourceModule, call: ts.CallExpression): ts.ObjectLiteralExpression | undefined {
  const [argument] = call.arguments;
  if (argument === undefined) return undefined;
  const inner = unwrap(argument);
  const value = ts.isIdentifier(inner) ? module.constants.get(inner.text) : inner;
  const options = value === undefined ? undefined : unwrap(value);
  return options !== undefined && ts.isObjectLiteralExpression(options) ? options : undefined;
}

function constantProperty<T>(
  scan: Scan,
  module: SourceModule,
  options: ts.ObjectLiteralExpression,
  name: string,
  schema: z.ZodType<T>,
): T | undefined {
  const property = options.properties.find((candidate) => propertyOf(candidate)[0] === name);
  if (property === undefined) return undefined;
  const [, expression] = propertyOf(property);
  const value = expression === undefined ? new NotConstant(module, property) : scan.evaluate(expression, module);
  if (value instanceof NotConstant) {
    const message = `The ${name} of a job must be a constant: jobyard pack reads it from the source without running it, and cannot tell what this is.`;
    scan.problems.push({ message, position: positionOf(value.module, value.node) });
    return undefined;
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const { target, message } of fieldProblems(result.error)) {
    const field = target === "" ? name : `${name}.${target}`;
    scan.problems.push({ message: `${field}: ${message}.`, position: positionOf(module, property) });
  }
  return undefined;
}
