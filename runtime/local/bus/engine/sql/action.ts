/** Compiles a SQL rule action to a function that says what it changes in a message. */
import type { FilterableMessage, MessageEdits } from "../message.ts";
import { compileNode } from "./evaluate.ts";
import { parseAction } from "./parser.ts";
import type { Parameters, Property } from "./syntax.ts";

export type Action = (message: FilterableMessage) => MessageEdits;

interface Step {
  readonly property: Property;
  /** Absent: the property is removed. */
  readonly compute?: (message: FilterableMessage) => unknown;
}

/** @throws BusError `invalid-argument` when the action cannot be understood. */
export function compileAction(expression: string, parameters: Parameters = {}): Action {
  const steps = parseAction(expression, parameters).map((statement): Step => {
    const { property } = statement;
    if (statement.kind === "remove") return { property };
    const { value } = statement;
    // A property that is only copied keeps its type, also where the language has none for it.
    return { property, compute: value.kind === "property" ? rawReader(value) : compileNode(value) };
  });
  return (message) => run(steps, message);
}

/** Each statement sees what the ones before it have changed. */
function run(steps: readonly Step[], message: FilterableMessage): MessageEdits {
  const application = new Map<string, { readonly name: string; readonly value: unknown }>();
  const system = new Map<string, string | undefined>();
  const changed: FilterableMessage = {
    system: (name) => (system.has(name) ? system.get(name) : message.system(name)),
    application: (name) => {
      const known = application.get(name.toLowerCase());
      return known ? known.value : message.application(name);
    },
    newId: () => message.newId(),
  };
  for (const { property, compute } of steps) {
    // What is unknown becomes null: the property is there and has no value.
    const value = compute === undefined ? undefined : (compute(changed) ?? null);
    const { scope, name } = property;
    if (scope === "user") application.set(name.toLowerCase(), { name, value });
    else system.set(name, value === undefined || value === null ? undefined : asText(value));
  }
  return { application: new Map([...application.values()].map(({ name, value }) => [name, value])), system };
}

const rawReader =
  ({ scope, name }: Property): ((message: FilterableMessage) => unknown) =>
  (message) => {
    const value = scope === "sys" ? message.system(name) : message.application(name);
    // Anything else could not be encoded again.
    return ["string", "number", "boolean"].includes(typeof value) || value instanceof Date ? value : undefined;
  };

const asText = (value: unknown): string => (value instanceof Date ? value.toISOString() : String(value));
