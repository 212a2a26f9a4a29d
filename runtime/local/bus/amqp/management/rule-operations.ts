/** Management operations on the rules of a subscription. */
import type { MessageFilter, RuleAction } from "../../engine/descriptions.ts";
import { rulesByName } from "../../engine/entities.ts";
import { correlationProperties, sqlAction, sqlFilter } from "../../engine/rules.ts";
import { plainMap, plainString } from "../values.ts";
import { types, type Typed } from "../rhea.ts";
import { integerArgument, stringArgument, type Operation } from "./operation.ts";

/** Descriptors of the described lists in which rules are returned. */
const DESCRIPTOR = {
  ruleDescription: 1_335_734_829_060,
  emptyAction: 1_335_734_829_061,
  sqlAction: 1_335_734_829_062,
  trueFilter: 83_483_426_823,
  falseFilter: 83_483_426_824,
  sqlFilter: 83_483_426_822,
  correlationFilter: 83_483_426_825,
} as const;

/** The only version of the SQL language. */
const COMPATIBILITY_LEVEL = 20;

/** The system properties of a correlation filter, our name and the protocol's name, in the protocol's order. */
const CORRELATION_FIELDS = [
  ["correlationId", "correlation-id"],
  ["messageId", "message-id"],
  ["to", "to"],
  ["replyTo", "reply-to"],
  ["subject", "label"],
  ["sessionId", "session-id"],
  ["replyToSessionId", "reply-to-session-id"],
  ["contentType", "content-type"],
] as const;

export const addRule: Operation = (broker, path, args) => {
  const description = plainMap(args["rule-description"]);
  const action = plainMap(description["sql-rule-action"]);
  const rule = {
    name: stringArgument(args, "rule-name"),
    filter: filterOf(description),
    ...sqlAction(plainString(action["expression"]), plainMap(action["parameters"])),
  };
  broker.setRule(path, rule, "create");
  return {};
};

export const removeRule: Operation = (broker, path, args) => {
  broker.removeRule(path, stringArgument(args, "rule-name"));
  return {};
};

export const enumerateRules: Operation = (broker, path, args) => {
  const skip = integerArgument(args, "skip", 0);
  const top = integerArgument(args, "top", 100);
  const page = rulesByName(broker.subscription(path)).slice(skip, skip + top);
  if (page.length === 0) return { empty: true };
  return {
    body: {
      rules: page.map(({ name, filter, action }) =>
        types.wrap_map({
          "rule-description": describedList(DESCRIPTOR.ruleDescription, [
            encodeFilter(filter),
            encodeAction(action),
            name,
          ]),
        }),
      ),
    },
  };
};

function filterOf(description: Record<string, unknown>): MessageFilter {
  if (description["sql-filter"] !== undefined) {
    const sql = plainMap(description["sql-filter"]);
    return sqlFilter(stringArgument(sql, "expression"), plainMap(sql["parameters"]));
  }
  const fields = plainMap(description["correlation-filter"]);
  const system: Record<string, string> = {};
  for (const [ours, theirs] of CORRELATION_FIELDS) {
    const value = plainString(fields[theirs]);
    if (value !== undefined) system[ours] = value;
  }
  return { kind: "correlation", system, properties: correlationProperties(plainMap(fields["properties"])) };
}

function encodeFilter(filter: MessageFilter): Typed {
  switch (filter.kind) {
    case "true":
      return describedList(DESCRIPTOR.trueFilter, []);
    case "false":
      return describedList(DESCRIPTOR.falseFilter, []);
    case "sql":
      return describedList(DESCRIPTOR.sqlFilter, [filter.expression, types.wrap_int(COMPATIBILITY_LEVEL)]);
    case "correlation": {
      const system = new Map(Object.entries(filter.system ?? {}));
      const fields = CORRELATION_FIELDS.map(([ours]) => system.get(ours) ?? null);
      return describedList(DESCRIPTOR.correlationFilter, [...fields, types.wrap_map(filter.properties ?? {})]);
    }
  }
}

const encodeAction = (action: RuleAction | undefined): Typed =>
  action
    ? describedList(DESCRIPTOR.sqlAction, [action.expression, types.wrap_int(COMPATIBILITY_LEVEL)])
    : describedList(DESCRIPTOR.emptyAction, []);

const describedList = (descriptor: number, items: readonly unknown[]): Typed =>
  types.described(types.wrap_ulong(descriptor), types.wrap_list(items));
