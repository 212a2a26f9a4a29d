/** Reads the options of a declaration from the source: an object literal whose values are constants. */
import ts from "typescript";
import type { z } from "zod";
import { didYouMean } from "../core/did-you-mean.ts";
import { fieldProblems } from "../core/manifest-fields.ts";
import { type Evaluate, NotConstant, propertyOf, unwrap } from "./evaluate.ts";
import type { PackProblem } from "./problem.ts";
import { type SourceModule, positionOf } from "./source-modules.ts";

export interface DeclarationScan {
  readonly evaluate: Evaluate;
  readonly problems: PackProblem[];
  readonly warnings: PackProblem[];
}

export interface Options {
  readonly node: ts.ObjectLiteralExpression;
  has(name: string): boolean;
  /** Undefined when it is not there, or cannot be used; then a problem says why. */
  constant<T>(name: string, schema: z.ZodType<T>): T | undefined;
  /** Where an option stands; the whole if it does not. */
  nodeOf(name: string): ts.Node;
  /** Adds a problem for each option that nobody has asked for and that is not one of `others`. Called when all are read. */
  refuseUnknown(others: readonly string[]): void;
}

/** Undefined when what is called has no options that can be read; a problem says why. `what`: a job, a timer. */
export function readOptions(
  module: SourceModule,
  call: ts.CallExpression,
  { functionName, what }: { readonly functionName: string; readonly what: string },
  { evaluate, problems }: DeclarationScan,
): Options | undefined {
  const node = literalOf(module, call);
  if (node === undefined) {
    const message = `${functionName} expects an object literal here, so that jobyard pack can read it without running it.`;
    problems.push({ message, position: positionOf(module, call.arguments[0] ?? call) });
    return undefined;
  }
  const spread = node.properties.find(ts.isSpreadAssignment);
  if (spread !== undefined) {
    const message = "Write these options out: jobyard pack reads them from the source without running it.";
    problems.push({ message, position: positionOf(module, spread) });
    return undefined;
  }
  const known = new Set<string>();
  const propertyNamed = (name: string): ts.ObjectLiteralElementLike | undefined => {
    known.add(name);
    return node.properties.find((candidate) => propertyOf(candidate)[0] === name);
  };

  return {
    node,
    has: (name) => propertyNamed(name) !== undefined,
    nodeOf: (name) => propertyNamed(name) ?? node,
    refuseUnknown(others) {
      for (const name of others) known.add(name);
      for (const property of node.properties) {
        const [name] = propertyOf(property);
        if (name !== undefined && known.has(name)) continue;
        const message =
          name === undefined
            ? "Write the name of this option out: jobyard pack reads it from the source without running it."
            : `${functionName} has no option ${JSON.stringify(name)}${didYouMean(name, known)}.`;
        problems.push({ message, position: positionOf(module, property) });
      }
    },
    constant(name, schema) {
      const property = propertyNamed(name);
      if (property === undefined) return undefined;
      const [, expression] = propertyOf(property);
      const value = expression === undefined ? new NotConstant(module, property) : evaluate(expression, module);
      if (value instanceof NotConstant) {
        const message = `The ${name} of a ${what} must be a constant: jobyard pack reads it from the source without running it, and cannot tell what this is.`;
        problems.push({ message, position: positionOf(value.module, value.node) });
        return undefined;
      }
      const result = schema.safeParse(value);
      if (result.success) return result.data;
      for (const { target, message } of fieldProblems(result.error)) {
        const field = target === "" ? name : `${name}.${target}`;
        problems.push({ message: `${field}: ${message}.`, position: positionOf(module, property) });
      }
      return undefined;
    },
  };
}

function literalOf(module: SourceModule, call: ts.CallExpression): ts.ObjectLiteralExpression | undefined {
  const [argument] = call.arguments;
  if (argument === undefined) return undefined;
  const inner = unwrap(argument);
  const value = ts.isIdentifier(inner) ? module.constants.get(inner.text) : inner;
  const options = value === undefined ? undefined : unwrap(value);
  return options !== undefined && ts.isObjectLiteralExpression(options) ? options : undefined;
}

/** Only the options that were written. */
export const withoutGaps = <T extends object>(values: T): Partial<T> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
