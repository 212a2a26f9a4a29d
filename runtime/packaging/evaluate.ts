/**
 * Computes constant expressions from source text alone: literals, constants (imported ones too), arithmetic, text
 * templates, object literals. Nothing of a package is executed to learn what it declares.
 */
import ts from "typescript";
import type { SourceModule, SourceModules } from "./source-modules.ts";

export type Constant = string | number | boolean | null | { readonly [key: string]: Constant };

/** The part of an expression that is not constant. */
export class NotConstant {
  readonly module: SourceModule;
  readonly node: ts.Node;

  constructor(module: SourceModule, node: ts.Node) {
    this.module = module;
    this.node = node;
  }
}

/** Deeper chains of constants are loops. */
const MAX_DEPTH = 50;

export function evaluate(
  node: ts.Expression,
  module: SourceModule,
  modules: SourceModules,
  depth = 0,
): Constant | NotConstant {
  const inner = unwrap(node);
  const next = (part: ts.Expression) => evaluate(part, module, modules, depth + 1);
  if (depth > MAX_DEPTH) return new NotConstant(module, inner);
  if (ts.isStringLiteralLike(inner)) return inner.text;
  if (ts.isNumericLiteral(inner)) return Number(inner.text);
  if (inner.kind === ts.SyntaxKind.TrueKeyword) return true;
  if (inner.kind === ts.SyntaxKind.FalseKeyword) return false;
  if (inner.kind === ts.SyntaxKind.NullKeyword) return null;
  if (ts.isPrefixUnaryExpression(inner) && inner.operator === ts.SyntaxKind.MinusToken) {
    const value = next(inner.operand);
    return typeof value === "number" ? -value : new NotConstant(module, inner);
  }
  if (ts.isBinaryExpression(inner)) {
    const [left, right] = [next(inner.left), next(inner.right)];
    return combine(left, inner.operatorToken.kind, right) ?? new NotConstant(module, inner);
  }
  if (ts.isTemplateExpression(inner)) return evaluateTemplate(inner, module, next);
  if (ts.isObjectLiteralExpression(inner)) return evaluateObject(inner, module, next);
  if (ts.isPropertyAccessExpression(inner)) {
    const object = next(inner.expression);
    const value = isObject(object) ? object[inner.name.text] : undefined;
    return value ?? new NotConstant(module, inner);
  }
  if (ts.isIdentifier(inner)) {
    const found = modules.constant(module, inner.text);
    return found === undefined
      ? new NotConstant(module, inner)
      : evaluate(found.node, found.module, modules, depth + 1);
  }
  return new NotConstant(module, inner);
}

/** Without parentheses, `as const`, `satisfies T`, `<T>` and `!`. */
export function unwrap(node: ts.Expression): ts.Expression {
  let inner = node;
  while (
    ts.isParenthesizedExpression(inner) ||
    ts.isAsExpression(inner) ||
    ts.isSatisfiesExpression(inner) ||
    ts.isTypeAssertionExpression(inner) ||
    ts.isNonNullExpression(inner)
  ) {
    inner = inner.expression;
  }
  return inner;
}

const isObject = (value: Constant | NotConstant): value is { readonly [key: string]: Constant } =>
  typeof value === "object" && value !== null && !(value instanceof NotConstant);

const ARITHMETIC = new Map<ts.SyntaxKind, (left: number, right: number) => number>([
  [ts.SyntaxKind.PlusToken, (left, right) => left + right],
  [ts.SyntaxKind.MinusToken, (left, right) => left - right],
  [ts.SyntaxKind.AsteriskToken, (left, right) => left * right],
  [ts.SyntaxKind.SlashToken, (left, right) => left / right],
  [ts.SyntaxKind.AsteriskAsteriskToken, (left, right) => left ** right],
]);

function combine(left: Constant | NotConstant, operator: ts.SyntaxKind, right: Constant | NotConstant) {
  if (typeof left === "number" && typeof right === "number") return ARITHMETIC.get(operator)?.(left, right);
  const texts = typeof left === "string" && typeof right === "string";
  return texts && operator === ts.SyntaxKind.PlusToken ? left + right : undefined;
}

type EvaluatePart = (part: ts.Expression) => Constant | NotConstant;

function evaluateTemplate(node: ts.TemplateExpression, module: SourceModule, next: EvaluatePart) {
  let text = node.head.text;
  for (const span of node.templateSpans) {
    const value = next(span.expression);
    if (typeof value !== "string" && typeof value !== "number") return new NotConstant(module, span.expression);
    text += `${value}${span.literal.text}`;
  }
  return text;
}

function evaluateObject(node: ts.ObjectLiteralExpression, module: SourceModule, next: EvaluatePart) {
  const values: Record<string, Constant> = {};
  for (const property of node.properties) {
    if (ts.isSpreadAssignment(property)) {
      const spread = next(property.expression);
      if (!isObject(spread)) return new NotConstant(module, property);
      Object.assign(values, spread);
      continue;
    }
    const [name, expression] = propertyOf(property);
    if (name === undefined || expression === undefined) return new NotConstant(module, property);
    const value = next(expression);
    if (value instanceof NotConstant) return value;
    values[name] = value;
  }
  return values;
}

/** Name and value of `name: value` and of the shorthand `name`; undefined for what has none (methods, computed names). */
export function propertyOf(
  property: ts.ObjectLiteralElementLike,
): [name: string | undefined, value: ts.Expression | undefined] {
  if (ts.isShorthandPropertyAssignment(property)) return [property.name.text, property.name];
  const { name } = property;
  const text = name !== undefined && (ts.isIdentifier(name) || ts.isStringLiteralLike(name)) ? name.text : undefined;
  return [text, ts.isPropertyAssignment(property) ? property.initializer : undefined];
}
