/** Turns the filter of a subscription rule into a test on messages. */
import type { RuleFilter } from "../../../core/topology.ts";
import { BusError } from "./errors.ts";
import type { FilterableMessage } from "./message.ts";

export type FilterMatcher = (message: FilterableMessage) => boolean;

/** @throws BusError `invalid-argument` when the filter cannot be understood. */
export function compileFilter(filter: RuleFilter): FilterMatcher {
  switch (filter.kind) {
    case "true":
      return () => true;
    case "false":
      return () => false;
    case "correlation":
      throw new BusError("not-implemented", "Correlation filters are not supported yet.");
    case "sql":
      throw new BusError("not-implemented", "SQL filters are not supported yet.");
  }
}
