/**
 * The rules of subscriptions: filters and actions as clients write them, compiled to functions on messages.
 * https://learn.microsoft.com/azure/service-bus-messaging/topic-filters
 */
import type { MessageFilter, RuleAction } from "./descriptions.ts";
import { BusError } from "./errors.ts";
import type { FilterableMessage, MessageEdits } from "./message.ts";
import { compileNode } from "./sql/evaluate.ts";
import { parseAction, parseFilter } from "./sql/parser.ts";
import type { Parameters, Property } from "./sql/syntax.ts";

export type FilterMatcher = (message: FilterableMessage) => boolean;

/** The system properties that a correlation filter can name, lower case. */
const CORRELATION_PROPERTIES = new Set([
  ...[
    "contenttype",
    "correlationid",
    "label",
    "messageid",
    "replyto",
    "replytosessionid",
    "sessionid",
    "subject",
    "to",
  ],
]);

/** @throws BusError `invalid-argument` when the filter is not valid. */
export function compileFilter(filter: MessageFilter): FilterMatcher {
  switch (filter.kind) {
    case "true":
      return () => true;
    case "false":
      return () => false;
    case "correlation":
      return compileCorrelation(filter);
    case "sql":
      return compileSql(filter);
  }
}

function compileSql({ expression, parameters }: Extract<MessageFilter, { kind: "sql" }>): FilterMatcher {
  const evaluate = compileNode(parseFilter(expression, parameters));
  return (message) => evaluate(message) === true;
}

/** All given properties must be equal. */
function compileCorrelation({
  system = {},
  properties = {},
}: Extract<MessageFilter, { kind: "correlation" }>): FilterMatcher {
  const systemPairs = Object.entries(system).map(([name, value]) => {
    const lower = name.toLowerCase();
    if (!CORRELATION_PROPERTIES.has(lower)) {
      throw new BusError("invalid-argument", `A correlation filter cannot match the system property '${name}'.`);
    }
    return [lower, value] as const;
  });
  const propertyPairs = Object.entries(properties);
  if (systemPairs.length + propertyPairs.length === 0) {
    throw new BusError("invalid-argument", "A correlation filter must match at least one property.");
  }
  return (message) =>
    systemPairs.every(([name, value]) => message.system(name) === value) &&
    propertyPairs.every(([name, value]) => message.application(name) === value);
}

/** Returns the changes that an action makes to a message. */
export type Action = (message: FilterableMessage) => MessageEdits;

interface Step {
  readonly property: Property;
  /** Absent: the property is removed. */
  readonly compute?: (message: FilterableMessage) => unknown;
}

/** @throws BusError `invalid-argument` when the action is not valid. */
export function compileAction(expression: string, parameters: Parameters = {}): Action {
  const steps = parseAction(expression, parameters).map((statement): Step => {
    const { property } = statement;
    if (statement.kind === "remove") return { property };
    const { value } = statement;
    // A property that is only copied keeps its AMQP type, also a type that the language does not have.
    return { property, compute: value.kind === "property" ? rawReader(value) : compileNode(value) };
  });
  return (message) => run(steps, message);
}

/** Each statement sees the changes of the statements before it. */
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
    // An unknown value becomes null: the property exists and has no value.
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

/** A SQL filter. The service stores the two constant expressions as filters of their own kind. */
export function sqlFilter(expression: string, parameters: Readonly<Record<string, unknown>> = {}): MessageFilter {
  const compact = expression.replace(/\s/g, "");
  if (compact === "1=1") return { kind: "true" };
  if (compact === "1=0") return { kind: "false" };
  return { kind: "sql", expression, ...withParameters(parameters) };
}

/** A SQL action. An empty expression is no action. */
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
