/** Parses SQL filters and actions by recursive descent, in the documented order of precedence. */
import { BusError } from "../errors.ts";
import { tokenize, type SqlText, type Token } from "./lexer.ts";
import type { Arithmetic, Comparison, Node, Parameters, Property, Statement } from "./syntax.ts";

/** Each level takes stack, and no sensible filter is nested deeper. */
const MAX_DEPTH = 64;

/** The system properties that a filter can name, lower case. */
const SYSTEM_PROPERTIES = new Set(
  [
    "ContentType",
    "CorrelationId",
    "Label",
    "MessageId",
    "ReplyTo",
    "ReplyToSessionId",
    "SessionId",
    "Subject",
    "To",
  ].map((name) => name.toLowerCase()),
);

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  ...{ "=": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">=" },
};

const RESERVED = new Set(["AND", "OR", "NOT", "LIKE", "IN", "IS", "NULL", "ESCAPE", "EXISTS", "TRUE", "FALSE"]);

/** https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas */
const MAX_STATEMENTS = 32;

/** @throws BusError `invalid-argument` with the position of a syntax error, or the parameter without a value. */
export function parseFilter(expression: string, parameters: Parameters = {}): Node {
  return new Parser("SQL filter", expression, parameters).filter();
}

/** @throws BusError as `parseFilter` */
export function parseAction(expression: string, parameters: Parameters = {}): Statement[] {
  return new Parser("SQL action", expression, parameters).action();
}

const parameterName = (name: string): string => name.replace(/^@/, "").toLowerCase();

class Parser {
  readonly #what: SqlText;
  readonly #tokens: readonly Token[];
  readonly #parameters: ReadonlyMap<string, string | number | boolean>;
  #next = 0;
  #depth = 0;

  constructor(what: SqlText, expression: string, parameters: Parameters) {
    this.#what = what;
    this.#tokens = tokenize(expression, what);
    this.#parameters = new Map(Object.entries(parameters).map(([name, value]) => [parameterName(name), value]));
  }

  filter(): Node {
    const node = this.#or();
    if (this.#next < this.#tokens.length) throw this.#error("the end of the expression");
    return node;
  }

  action(): Statement[] {
    const statements: Statement[] = [];
    do {
      statements.push(this.#statement());
      if (statements.length > MAX_STATEMENTS) throw this.#refused(`it may have at most ${MAX_STATEMENTS} statements`);
      this.#operator(";");
    } while (this.#next < this.#tokens.length);
    return statements;
  }

  #statement(): Statement {
    if (this.#keyword("SET")) {
      const property = this.#property();
      this.#expect("=");
      return { kind: "set", property, value: this.#sum() };
    }
    if (this.#keyword("REMOVE")) return { kind: "remove", property: this.#property() };
    throw this.#error("SET or REMOVE");
  }

  #or(): Node {
    if (++this.#depth > MAX_DEPTH) throw this.#refused("it is nested too deeply");
    let left = this.#and();
    while (this.#keyword("OR")) left = { kind: "or", left, right: this.#and() };
    this.#depth--;
    return left;
  }

  #and(): Node {
    let left = this.#not();
    while (this.#keyword("AND")) left = { kind: "and", left, right: this.#not() };
    return left;
  }

  #not(): Node {
    let negations = 0;
    while (this.#keyword("NOT")) negations++;
    const predicate = this.#predicate();
    if (negations === 0) return predicate;
    const operand: Node = { kind: "not", operand: predicate };
    return negations % 2 === 1 ? operand : { kind: "not", operand };
  }

  #predicate(): Node {
    if (this.#keyword("EXISTS")) {
      this.#expect("(");
      const property = this.#property();
      this.#expect(")");
      return { kind: "exists", property };
    }
    const operand = this.#sum();
    if (this.#keyword("IS")) {
      const negated = this.#keyword("NOT");
      if (!this.#keyword("NULL")) throw this.#error("NULL");
      if (operand.kind !== "property") throw this.#error("a property before IS NULL");
      return { kind: "is-null", property: operand, negated };
    }
    const negated = this.#keyword("NOT");
    if (this.#keyword("IN")) return { kind: "in", operand, options: this.#options(), negated };
    if (this.#keyword("LIKE")) return this.#like(operand, negated);
    if (negated) throw this.#error("IN or LIKE after NOT");
    const operator = this.#comparison();
    return operator ? { kind: "compare", operator, left: operand, right: this.#sum() } : operand;
  }

  #options(): Node[] {
    this.#expect("(");
    const options = [this.#sum()];
    while (this.#operator(",")) options.push(this.#sum());
    this.#expect(")");
    return options;
  }

  #like(operand: Node, negated: boolean): Node {
    const pattern = this.#sum();
    let escape: string | undefined;
    if (this.#keyword("ESCAPE")) {
      const token = this.#tokens[this.#next++];
      if (token?.kind !== "string" || Array.from(token.text).length !== 1)
        throw this.#error("one character after ESCAPE", -1);
      escape = token.text;
    }
    return { kind: "like", operand, pattern, escape, negated };
  }

  #sum(): Node {
    let left = this.#product();
    for (let operator = this.#operator("+", "-"); operator; operator = this.#operator("+", "-")) {
      left = { kind: "arithmetic", operator: operator as Arithmetic, left, right: this.#product() };
    }
    return left;
  }

  #product(): Node {
    let left = this.#unary();
    for (let operator = this.#operator("*", "/", "%"); operator; operator = this.#operator("*", "/", "%")) {
      left = { kind: "arithmetic", operator: operator as Arithmetic, left, right: this.#unary() };
    }
    return left;
  }

  #unary(): Node {
    let negative = false;
    let signs = 0;
    for (let sign = this.#operator("+", "-"); sign; sign = this.#operator("+", "-")) {
      signs++;
      if (sign === "-") negative = !negative;
    }
    const operand = this.#primary();
    if (signs === 0) return operand;
    return { kind: negative ? "negate" : "plus", operand };
  }

  #primary(): Node {
    if (this.#operator("(")) {
      const inner = this.#or();
      this.#expect(")");
      return inner;
    }
    const token = this.#tokens[this.#next];
    if (token?.kind === "string" || token?.kind === "number") {
      this.#next++;
      return { kind: "constant", value: token.kind === "string" ? token.text : token.value };
    }
    if (token?.kind === "parameter") {
      const value = this.#parameters.get(parameterName(token.text));
      if (value === undefined) throw this.#refused(`the parameter '@${token.text}' has no value`);
      this.#next++;
      return { kind: "constant", value };
    }
    if (this.#keyword("TRUE")) return { kind: "constant", value: true };
    if (this.#keyword("FALSE")) return { kind: "constant", value: false };
    if (token?.kind === "word" && this.#isOperator(this.#next + 1, "(")) return this.#function(token.text);
    return this.#property();
  }

  #function(name: string): Node {
    const lower = name.toLowerCase();
    if (lower !== "property" && lower !== "p" && lower !== "newid") {
      throw this.#refused(`the function '${name}' is not supported`);
    }
    this.#next += 2;
    if (lower === "newid") {
      this.#expect(")");
      return { kind: "new-id" };
    }
    const token = this.#tokens[this.#next++];
    if (token?.kind !== "string") throw this.#error("the name of a property in quotes", -1);
    this.#expect(")");
    return { kind: "property", scope: "user", name: token.text };
  }

  #property(): Property {
    const first = this.#name();
    if (first.quoted || !this.#operator(".")) return { kind: "property", scope: "user", name: first.text };
    const scope = first.text.toLowerCase();
    const { text: name } = this.#name();
    if (scope === "user") return { kind: "property", scope, name };
    if (scope !== "sys") {
      throw this.#refused(`'${first.text}' is not a scope; it must be sys or user`);
    }
    if (!SYSTEM_PROPERTIES.has(name.toLowerCase())) {
      throw this.#refused(`the system property '${name}' is not supported`);
    }
    return { kind: "property", scope, name: name.toLowerCase() };
  }

  #name(): { readonly text: string; readonly quoted: boolean } {
    const token = this.#tokens[this.#next];
    const quoted = token?.kind === "quoted-name";
    if (!quoted && (token?.kind !== "word" || RESERVED.has(token.text.toUpperCase()))) {
      throw this.#error("a property, a constant or a parenthesis");
    }
    this.#next++;
    return { text: token.text, quoted };
  }

  #keyword(word: string): boolean {
    const token = this.#tokens[this.#next];
    if (token?.kind !== "word" || token.text.toUpperCase() !== word) return false;
    this.#next++;
    return true;
  }

  #comparison(): Comparison | undefined {
    const token = this.#tokens[this.#next];
    if (token?.kind !== "operator") return undefined;
    const comparison = Object.hasOwn(COMPARISONS, token.text) ? COMPARISONS[token.text] : undefined;
    if (comparison) this.#next++;
    return comparison;
  }

  #isOperator(index: number, text: string): boolean {
    const token = this.#tokens[index];
    return token?.kind === "operator" && token.text === text;
  }

  #operator(...texts: readonly string[]): string | undefined {
    const found = texts.find((text) => this.#isOperator(this.#next, text));
    if (found !== undefined) this.#next++;
    return found;
  }

  #expect(text: string): void {
    if (!this.#operator(text)) throw this.#error(`'${text}'`);
  }

  #error(expected: string, offset = 0): BusError {
    const token = this.#tokens[this.#next + offset];
    const place = token ? `at position ${token.at}` : "at its end";
    return this.#refused(`expected ${expected} ${place}`);
  }

  #refused(reason: string): BusError {
    return new BusError("invalid-argument", `${this.#what}: ${reason}.`);
  }
}
