/** Splits a SQL filter or action into tokens. */
import { BusError } from "../errors.ts";

export type Token =
  | { readonly kind: "operator"; readonly text: string; readonly at: number }
  | { readonly kind: "string"; readonly text: string; readonly at: number }
  | { readonly kind: "number"; readonly value: number; readonly at: number }
  /** `@name`; `text` is the name. */
  | { readonly kind: "parameter"; readonly text: string; readonly at: number }
  /** A regular identifier, which may be a keyword. */
  | { readonly kind: "word"; readonly text: string; readonly at: number }
  /** A name in brackets or double quotes. It is never a keyword. */
  | { readonly kind: "quoted-name"; readonly text: string; readonly at: number };

/** https://learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas */
const MAX_LENGTH = 1_024;

const SPACE = /\s*/y;
const TOKENS: readonly (readonly [RegExp, (match: RegExpExecArray) => Token])[] = [
  [
    /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\p{L}_\d])/uy,
    (match) => ({ kind: "number", value: Number(match[0]), at: match.index }),
  ],
  [/'((?:[^']|'')*)'/y, (match) => ({ kind: "string", text: (match[1] ?? "").replaceAll("''", "'"), at: match.index })],
  [
    /\[((?:[^\]]|\]\])+)\]/y,
    (match) => ({ kind: "quoted-name", text: (match[1] ?? "").replaceAll("]]", "]"), at: match.index }),
  ],
  [
    /"((?:[^"]|"")+)"/y,
    (match) => ({ kind: "quoted-name", text: (match[1] ?? "").replaceAll('""', '"'), at: match.index }),
  ],
  [/\p{L}[\p{L}\d_]*/uy, (match) => ({ kind: "word", text: match[0], at: match.index })],
  [/@(\p{L}[\p{L}\d_]*)/uy, (match) => ({ kind: "parameter", text: match[1] ?? "", at: match.index })],
  [/<>|<=|>=|!=|[=<>()+\-*/%,.;]/y, (match) => ({ kind: "operator", text: match[0], at: match.index })],
];

/** The kind of text, for error messages. */
export type SqlText = "SQL filter" | "SQL action";

/** @throws BusError `invalid-argument` */
export function tokenize(expression: string, what: SqlText): Token[] {
  if (expression.length > MAX_LENGTH) {
    throw new BusError("invalid-argument", `A ${what} may have at most ${MAX_LENGTH} characters.`);
  }
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    SPACE.lastIndex = at;
    at += SPACE.exec(expression)?.[0].length ?? 0;
    if (at >= expression.length) return tokens;
    const token = nextToken(expression, at);
    if (!token) {
      const found = expression.slice(at, at + 20);
      throw new BusError("invalid-argument", `${what}: unexpected text at position ${at}: '${found}'.`);
    }
    tokens.push(token.token);
    at = token.end;
  }
}

function nextToken(expression: string, at: number): { readonly token: Token; readonly end: number } | undefined {
  for (const [pattern, make] of TOKENS) {
    pattern.lastIndex = at;
    const match = pattern.exec(expression);
    if (match) return { token: make(match), end: pattern.lastIndex };
  }
  return undefined;
}
