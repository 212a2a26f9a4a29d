/** How clients write the filters and actions of rules, whichever way they come. */
import type { MessageFilter, RuleAction } from "./engine/descriptions.ts";
import { BusError } from "./engine/errors.ts";

/** The service stores the two constant expressions as filters of their own kind. */
export function sqlFilter(expression: string, parameters: Readonly<Record<string, unknown>> = {}): MessageFilter {
  const compact = expression.replace(/\s/g, "");
  if (compact === "1=1") return { kind: "true" };
  if (compact === "1=0") return { kind: "false" };
  return { kind: "sql", expression, ...withParameters(parameters) };
}

/** An empty expression is no action. */
export const sqlAction = (
  expression: string | undefined,
  parameters: Readonly<Record<string, unknown>> = {},
): { readonly action?: RuleAction } =>
  expression === undefined || expression.trim() === "" ? {} : { action: { expression, ...withParameters(parameters) } };

const withParameters = (parameters: Readonly<Record<string, unknown>>): Pick<RuleAction, "parameters"> =>
  Object.keys(parameters).length === 0 ? {} : { parameters: scalars(parameters, "A parameter can be") };

export const correlationProperties = (
  properties: Readonly<Record<string, unknown>>,
): Record<string, string | number | boolean> => scalars(properties, "A correlation filter can match");

/** @throws BusError `invalid-argument` for a value that cannot be compared. */
function scalars(
  properties: Readonly<Record<string, unknown>>,
  what: string,
): Record<string, string | number | boolean> {
  const plain: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") {
      const message = `${what} strings, numbers and booleans; '${name}' is none of these.`;
      throw new BusError("invalid-argument", message);
    }
    plain[name] = value;
  }
  return plain;
}
