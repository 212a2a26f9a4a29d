/** A run: a model within bounds, or a rule switched off within bounds that show its purpose. */
import type { SearchResult } from "./search.ts";

/**
 * - `quick`: part of the unit tests.
 * - `usual`: `npm run model`.
 * - `full`: `npm run model -- --full`, minutes and a gigabyte.
 */
export type Share = "quick" | "usual" | "full";

export interface Configuration {
  readonly model: string;
  readonly name: string;
  readonly share: Share;
  readonly run: () => SearchResult;
}

export interface RuleOff {
  readonly model: string;
  /** Begins with the rule's number. */
  readonly name: string;
  readonly run: () => SearchResult;
}
