/** How clients write the filters of rules, whichever way they come. */
import type { RuleFilter } from "../../core/topology.ts";
import { BusError } from "./engine/errors.ts";

/** The service stores the two constant expressions as filters of their own kind. */
export function sqlFilter(expression: string): RuleFilter {
  const compact = expression.replace(/\s/g, "");
  if (compact === "1=1") return { kind: "true" };
  if (compact === "1=0") return { kind: "false" };
  return { kind: "sql", expression };
}

/** @throws BusError `invalid-argument` for a value that cannot be compared. */
export function correlationProperties(
  properties: Readonly<Record<string, unknown>>,
): Record<string, string | number | boolean> {
  const plain: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") {
      const message = `A correlation filter can match strings, numbers and booleans; '${name}' is none of these.`;
      throw new BusError("invalid-argument", message);
    }
    plain[name] = value;
  }
  return plain;
}
