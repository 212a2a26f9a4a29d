/**
 * Compiles a parsed SQL expression to a function of messages. Logic has three values: an absent property and a comparison
 * of different types are unknown (undefined here). A message passes only if its filter is true.
 */
import type { FilterableMessage } from "../message.ts";
import type { Arithmetic, Comparison, Node, Property } from "./syntax.ts";

export type Value = string | number | boolean | undefined;
export type Evaluator = (message: FilterableMessage) => Value;

export function compileNode(node: Node): Evaluator {
  switch (node.kind) {
    case "constant":
      return () => node.value;
    case "property":
      return propertyReader(node);
    case "new-id":
      return (message) => message.newId();
    case "or":
      return combine(node.left, node.right, true);
    case "and":
      return combine(node.left, node.right, false);
    case "not": {
      const operand = compileNode(node.operand);
      return (message) => negate(truth(operand(message)));
    }
    case "compare": {
      const [left, right] = [compileNode(node.left), compileNode(node.right)];
      return (message) => compare(node.operator, left(message), right(message));
    }
    case "arithmetic": {
      const [left, right] = [compileNode(node.left), compileNode(node.right)];
      return (message) => calculate(node.operator, left(message), right(message));
    }
    case "negate":
    case "plus": {
      const operand = compileNode(node.operand);
      const sign = node.kind === "negate" ? -1 : 1;
      return (message) => {
        const value = operand(message);
        return typeof value === "number" ? sign * value : undefined;
      };
    }
    case "is-null": {
      const property = propertyReader(node.property);
      return (message) => (property(message) === undefined) !== node.negated;
    }
    case "exists": {
      const property = propertyReader(node.property);
      return (message) => property(message) !== undefined;
    }
    case "in": {
      const operand = compileNode(node.operand);
      const options = node.options.map(compileNode);
      return (message) => {
        const value = operand(message);
        const found = anyEqual(value, options, message);
        return node.negated ? negate(found) : found;
      };
    }
    case "like":
      return compileLikeNode(node);
  }
}

function compileLikeNode({ operand, pattern, escape, negated }: Extract<Node, { kind: "like" }>): Evaluator {
  const text = compileNode(operand);
  const patternOf = compileNode(pattern);
  const fixed = pattern.kind === "constant" ? compileLike(String(pattern.value), escape) : undefined;
  return (message) => {
    const [value, source] = [text(message), patternOf(message)];
    if (typeof value !== "string" || typeof source !== "string") return undefined;
    return matchesLike(value, fixed ?? compileLike(source, escape)) !== negated;
  };
}

function propertyReader({ scope, name }: Property): Evaluator {
  if (scope === "sys") return (message) => toValue(message.system(name));
  return (message) => toValue(message.application(name));
}

/** Dates are compared by their time. Types that the language does not have are unknown. */
function toValue(raw: unknown): Value {
  if (typeof raw === "string" || typeof raw === "number" || typeof raw === "boolean") return raw;
  return raw instanceof Date ? raw.getTime() : undefined;
}

const truth = (value: Value): boolean | undefined => (typeof value === "boolean" ? value : undefined);
const negate = (value: boolean | undefined): boolean | undefined => (value === undefined ? undefined : !value);

/** A true side decides OR, a false side decides AND. Otherwise an unknown side makes the result unknown. */
function combine(leftNode: Node, rightNode: Node, deciding: boolean): Evaluator {
  const [left, right] = [compileNode(leftNode), compileNode(rightNode)];
  return (message) => {
    const first = truth(left(message));
    if (first === deciding) return deciding;
    const second = truth(right(message));
    if (second === deciding) return deciding;
    return first === undefined || second === undefined ? undefined : !deciding;
  };
}

function compare(operator: Comparison, left: Value, right: Value): boolean | undefined {
  if (left === undefined || right === undefined || typeof left !== typeof right) return undefined;
  switch (operator) {
    case "=":
      return left === right;
    case "<>":
      return left !== right;
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    case ">=":
      return left >= right;
  }
}

function anyEqual(value: Value, options: readonly Evaluator[], message: FilterableMessage): boolean | undefined {
  let unknown = false;
  for (const option of options) {
    const equal = compare("=", value, option(message));
    if (equal) return true;
    unknown ||= equal === undefined;
  }
  return unknown ? undefined : false;
}

function calculate(operator: Arithmetic, left: Value, right: Value): Value {
  if (operator === "+" && typeof left === "string" && typeof right === "string") return left + right;
  if (typeof left !== "number" || typeof right !== "number") return undefined;
  switch (operator) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      return right === 0 ? undefined : left / right;
    case "%":
      return right === 0 ? undefined : left % right;
  }
}

// LIKE: `%` stands for any characters and `_` for one. The escape character makes the next character stand for itself.

type Part = { readonly kind: "any" } | { readonly kind: "one" } | { readonly kind: "text"; readonly character: string };

export type LikePattern = readonly Part[];

export function compileLike(pattern: string, escape: string | undefined): LikePattern {
  const parts: Part[] = [];
  let escaped = false;
  for (const character of pattern) {
    if (!escaped && character === escape) {
      escaped = true;
      continue;
    }
    if (!escaped && character === "%") {
      if (parts.at(-1)?.kind !== "any") parts.push({ kind: "any" });
    } else if (!escaped && character === "_") {
      parts.push({ kind: "one" });
    } else {
      parts.push({ kind: "text", character });
    }
    escaped = false;
  }
  return parts;
}

/** Backtracks only to the last `%`, so that no pattern takes longer than pattern length times text length. */
export function matchesLike(text: string, pattern: LikePattern): boolean {
  const characters = Array.from(text);
  let at = 0;
  let part = 0;
  let retryPart = -1;
  let retryAt = 0;
  while (at < characters.length) {
    const current = pattern[part];
    if (current?.kind === "any") {
      retryPart = part++;
      retryAt = at;
    } else if (current && (current.kind === "one" || current.character === characters[at])) {
      part++;
      at++;
    } else if (retryPart >= 0) {
      part = retryPart + 1;
      at = ++retryAt;
    } else {
      return false;
    }
  }
  while (pattern[part]?.kind === "any") part++;
  return part === pattern.length;
}
