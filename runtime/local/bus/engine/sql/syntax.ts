/**
 * The syntax tree of SQL filters and actions.
 * https://learn.microsoft.com/azure/service-bus-messaging/service-bus-messaging-sql-filter
 * https://learn.microsoft.com/azure/service-bus-messaging/service-bus-messaging-sql-rule-action
 */

export type Comparison = "=" | "<>" | "<" | "<=" | ">" | ">=";
export type Arithmetic = "+" | "-" | "*" | "/" | "%";

export interface Property {
  readonly kind: "property";
  readonly scope: "sys" | "user";
  readonly name: string;
}

export type Node =
  | { readonly kind: "constant"; readonly value: string | number | boolean }
  | Property
  | { readonly kind: "new-id" }
  | { readonly kind: "or" | "and"; readonly left: Node; readonly right: Node }
  | { readonly kind: "not"; readonly operand: Node }
  | { readonly kind: "compare"; readonly operator: Comparison; readonly left: Node; readonly right: Node }
  | { readonly kind: "arithmetic"; readonly operator: Arithmetic; readonly left: Node; readonly right: Node }
  | { readonly kind: "negate" | "plus"; readonly operand: Node }
  | { readonly kind: "is-null"; readonly property: Property; readonly negated: boolean }
  | { readonly kind: "exists"; readonly property: Property }
  | { readonly kind: "in"; readonly operand: Node; readonly options: readonly Node[]; readonly negated: boolean }
  | {
      readonly kind: "like";
      readonly operand: Node;
      readonly pattern: Node;
      readonly escape: string | undefined;
      readonly negated: boolean;
    };

/** One step of an action. */
export type Statement =
  | { readonly kind: "set"; readonly property: Property; readonly value: Node }
  | { readonly kind: "remove"; readonly property: Property };

/** Values of parameters by their names, with or without the leading `@`. */
export type Parameters = Readonly<Record<string, string | number | boolean>>;
