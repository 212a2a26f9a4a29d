/**
 * Computes constant expressions from source text: literals, constants (also imported ones), arithmetic, text templates,
 * object literals. It executes no code of a package.
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

export type Evaluate = (node: ts.Expression, module: SourceModule) => Constant | NotConstant;

/** Computes every constant once. One that depends on itself has no value. */
export function createEvaluator(modules: SourceModules): Evaluate {
  const constants = new Map<ts.Expression, Constant | NotConstant>();

  function named(identifier: ts.Identifier, module: SourceModule): Constant | NotConstant {
    const unknown = new NotConstant(module, identifier);
    const found = modules.constant(module, identifier.text);
    if (found === undefined) return unknown;
    const known = constants.get(found.node);
    if (known !== undefined) return known;
    constants.set(found.node, unknown);
    const value = evaluate(found.node, found.module);
    constants.set(found.node, value);
    return value;
  }

  function evaluate(node: ts.Expression, module: SourceModule): Constant | NotConstant {
    const inner = unwrap(node);
    const part: EvaluatePart = (expression) => evaluate(expression, module);
    const literal = literalValue(inner);
    if (literal !== undefined) return literal;
    if (ts.isIdentifier(inner)) return named(inner, module);
    if (ts.isTemplateExpression(inner)) return evaluateTemplate(inner, module, part);
    if (ts.isObjectLiteralExpression(inner)) return evaluateObject(inner, module, part);
    if (ts.isBinaryExpression(inner)) {
      return combine(part(inner.left), inner.operatorToken.kind, part(inner.right)) ?? new NotConstant(module, inner);
    }
    if (ts.isPrefixUnaryExpression(inner) && inner.operator === ts.SyntaxKind.MinusToken) {
      const value = part(inner.operand);
      return typeof value === "number" ? -value : new NotConstant(module, inner);
    }
    if (ts.isPropertyAccessExpression(inner)) {
      const object = part(inner.expression);
      const name = inner.name.text;
      const value = isObject(object) && Object.hasOwn(object, name) ? object[name] : undefined;
      return value ?? new NotConstant(module, inner);
    }
    return new NotConstant(module, inner);
  }

  return evaluate;
}

function literalValue(node: ts.Expression): Constant | undefined {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isNumericLiteral(node)) return Number(node.text);
  if (node.kind === ts.SyntaxKind.TrueKeyword) return true;
  if (node.kind === ts.SyntaxKind.FalseKeyword) return false;
  return node.kind === ts.SyntaxKind.NullKeyword ? null : undefined;
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

/** Name and value of `name: value` and of the shorthand `name`; undefined for others (methods, computed names). */
export function propertyOf(
  property: ts.ObjectLiteralElementLike,
): [name: string | undefined, value: ts.Expression | undefined] {
  if (ts.isShorthandPropertyAssignment(property)) return [property.name.text, property.name];
  const { name } = property;
  const text = name !== undefined && (ts.isIdentifier(name) || ts.isStringLiteralLike(name)) ? name.text : undefined;
  return [text, ts.isPropertyAssignment(property) ? property.initializer : undefined];
}
