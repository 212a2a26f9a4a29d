/** Turns the filter of a subscription rule into a test on messages. https://learn.microsoft.com/azure/service-bus-messaging/topic-filters */
import type { MessageFilter } from "./descriptions.ts";
import { BusError } from "./errors.ts";
import type { FilterableMessage } from "./message.ts";
import { compileNode } from "./sql/evaluate.ts";
import { parseFilter } from "./sql/parser.ts";

export type FilterMatcher = (message: FilterableMessage) => boolean;

/** System properties a correlation filter can name, lower case. */
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

/** @throws BusError `invalid-argument` when the filter cannot be understood. */
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

/** All given properties must be equal. Unlike in SQL filters, nothing is compared that was not given. */
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
