import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BusError } from "../../engine/errors.ts";
import { compileFilter } from "../../engine/rules.ts";
import type { FilterableMessage } from "../../engine/message.ts";
import { compileLike, matchesLike } from "../../engine/sql/evaluate.ts";

const application: Record<string, unknown> = {
  ...{ whole: 7, fraction: 1.5, zero: 0, negative: -3, text: "abc", quote: "it's", percent: "50%", empty: "" },
  ...{ yes: true, no: false, nothing: null, at: new Date(5_000), "odd name": 1, "a]b": 2, 'q"q': 3, and: 4 },
};
const system: Record<string, unknown> = { messageid: "m-1", label: "Greeting", to: "t", contenttype: "text/plain" };
const message: FilterableMessage = {
  system: (name) => system[name],
  application: (name) => application[name.toLowerCase()],
  newId: () => "new-id",
};

const TRUE = [
  ...["1=1", "TRUE", "yes", "NOT no", "whole = 7", "WHOLE=7", "whole <> 8", "whole != 8", "whole > 6", "whole >= 7"],
  ...["whole < 8", "whole <= 7", "fraction = 1.5", "fraction = 15e-1", "negative = -3", "-negative = 3", "+whole = 7"],
  ...["text = 'abc'", "text < 'abd'", "quote = 'it''s'", "empty = ''", "user.text = 'abc'", "USER.text = 'abc'"],
  ...["whole + 1 = 8", "whole - 1 = 6", "whole * 2 = 14", "whole / 2 = 3.5", "whole % 4 = 3", "2 + 3 * 4 = 14"],
  ...["(2 + 3) * 4 = 20", "text + 'd' = 'abcd'", "10 - 2 - 3 = 5", "- - whole = 7"],
  ...["whole = 7 AND text = 'abc'", "whole = 8 OR text = 'abc'", "NOT whole = 8", "NOT (whole = 8)", "NOT NOT yes"],
  ...["yes OR missing = 1", "missing = 1 OR yes", "no OR yes AND yes", "yes OR no AND no", "NOT no AND yes"],
  ...["text LIKE 'a%'", "text LIKE '%c'", "text LIKE 'a_c'", "text LIKE '%'", "text NOT LIKE 'b%'", "text LIKE '%b%'"],
  ...["percent LIKE '50!%' ESCAPE '!'", "percent LIKE '%\\%' ESCAPE '\\'", "empty LIKE ''", "text LIKE 'abc'"],
  ...["whole IN (1, 7)", "text IN ('x', 'abc')", "whole NOT IN (1, 2)", "whole + 1 IN (8)", "missing IS NULL"],
  ...["nothing IS NULL", "text IS NOT NULL", "EXISTS(text)", "EXISTS (sys.Label)", "NOT EXISTS(missing)", "yes = TRUE"],
  ...["sys.Label = 'Greeting'", "SYS.messageid = 'm-1'", "sys.To LIKE 't'", "sys.CorrelationId IS NULL"],
  ...["[odd name] = 1", '"odd name" = 1', "[a]]b] = 2", '"q""q" = 3', "[and] = 4", "user.[odd name] = 1"],
  ...["p('text') = 'abc'", "property('odd name') = 1", "at = 5000", "whole=7 and text='abc' or no", " \t\nyes "],
];

/** False or unknown: either way the message does not pass. */
const NOT_TRUE = [
  ...["1=0", "FALSE", "no", "NOT yes", "whole = 8", "text = 'ABC'", "whole = '7'", "text > 1", "yes = 'true'"],
  ...["missing = 1", "missing <> 1", "NOT missing = 1", "missing > 1", "missing LIKE '%'", "missing NOT LIKE '%'"],
  ...["missing IN (1)", "missing NOT IN (1)", "whole NOT IN (1, missing)", "nothing = 1", "whole / zero = 1"],
  ...["whole % 0 = 1", "text - 1 = 1", "-text = 1", "text", "whole", "missing", "yes AND missing = 1", "no AND yes"],
  ...["whole LIKE '7'", "EXISTS(missing)", "EXISTS(nothing)", "text IS NULL", "missing IS NOT NULL", "text LIKE 'b_'"],
  ...["percent LIKE '50!_' ESCAPE '!'", "'abc' LIKE 'ab'"],
];

const REFUSED: readonly (readonly [string, RegExp])[] = [
  ["", /at its end/],
  ["whole =", /at its end/],
  ["whole = 7 7", /the end of the expression/],
  ["(whole = 7", /'\)'/],
  ["whole == 7", /position/],
  ["whole = @p", /'@p' has no value/],
  ["whole = @", /position 8/],
  ["whole BETWEEN 1 AND 2", /the end of the expression/],
  ["whole IS 7", /NULL/],
  ["1 IS NULL", /a property/],
  ["whole NOT = 7", /IN or LIKE/],
  ["text LIKE 'a' ESCAPE 'ab'", /one character/],
  ["whole IN ()", /a property/],
  ["EXISTS(1)", /a property/],
  ["sys.Unknown = 1", /system property 'Unknown'/],
  ["other.name = 1", /not a scope/],
  ["random() = 1", /function 'random'/],
  ["newid(1) = 1", /'\)'/],
  ["'open", /position 0/],
  ["[open", /position 0/],
  ["whole = 7;", /position 9/],
  ["AND", /a property/],
  ["1abc = 1", /position 0/],
  [`${"(".repeat(200)}1=1${")".repeat(200)}`, /nested too deeply/],
  [`text = '${"x".repeat(1_100)}'`, /at most 1024/],
];

const passes = (expression: string): boolean => compileFilter({ kind: "sql", expression })(message);

describe("SQL filters", () => {
  test.each(TRUE)("let a message pass: %s", (expression) => {
    expect(passes(expression)).toBe(true);
  });

  test.each(NOT_TRUE)("do not let a message pass: %s", (expression) => {
    expect(passes(expression)).toBe(false);
  });

  test.each(REFUSED)("are refused with a reason: %s", (expression, reason) => {
    expect(() => passes(expression)).toThrow(reason);
  });

  test("compare with parameters, whose names have any case, with or without @", () => {
    const parameters = { "@Whole": 7, text: "abc", "@yes": true };
    const expression = "whole = @whole AND text LIKE @TEXT AND yes = @yes AND whole IN (1, @whole)";
    expect(compileFilter({ kind: "sql", expression, parameters })(message)).toBe(true);
    expect(compileFilter({ kind: "sql", expression, parameters: { ...parameters, text: "b%" } })(message)).toBe(false);
  });

  test("compare with a new id", () => {
    expect(passes("newid() = 'new-id'")).toBe(true);
  });

  test("fail only with invalid-argument, whatever the text", () => {
    const word = fc.constantFrom(
      ...[
        "AND",
        "OR",
        "NOT",
        "LIKE",
        "ESCAPE",
        "IN",
        "IS",
        "NULL",
        "EXISTS",
        "TRUE",
        "sys",
        "user",
        ".",
        "(",
        ")",
        ",",
      ],
      ...[
        "=",
        "<>",
        "<",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "%",
        "'a%'",
        "'!'",
        "7",
        "1.5",
        "text",
        "[odd name]",
        '"x',
        "@",
        "p",
      ],
    );
    const text = fc.oneof(
      fc.array(word, { maxLength: 30 }).map((words) => words.join(" ")),
      fc.string({ maxLength: 60 }),
    );
    fc.assert(
      fc.property(text, (expression) => {
        try {
          expect(typeof passes(expression)).toBe("boolean");
        } catch (error) {
          expect(error).toBeInstanceOf(BusError);
        }
      }),
      { numRuns: 5_000 },
    );
  });

  test("match LIKE patterns as a regular expression would", () => {
    const characters = fc.string({ unit: fc.constantFrom("a", "b", "%", "_"), maxLength: 8 });
    fc.assert(
      fc.property(characters, characters, (value, pattern) => {
        const expected = new RegExp(`^${pattern.replaceAll("%", ".*").replaceAll("_", ".")}$`, "s");
        expect(matchesLike(value, compileLike(pattern, undefined))).toBe(expected.test(value));
      }),
      { numRuns: 2_000 },
    );
  });

  test("take bounded time for patterns that would make a backtracking matcher explode", () => {
    const started = performance.now();
    expect(matchesLike("a".repeat(5_000), compileLike(`${"%a".repeat(400)}b`, undefined))).toBe(false);
    expect(performance.now() - started).toBeLessThan(30_000);
  });
});

describe("correlation filters", () => {
  const correlation = (system: Record<string, string>, properties: Record<string, string | number | boolean> = {}) =>
    compileFilter({ kind: "correlation", system, properties })(message);

  test("pass when all given properties are equal", () => {
    expect(correlation({ subject: "x" })).toBe(false);
    expect(correlation({ label: "Greeting" })).toBe(true);
    expect(correlation({ messageId: "m-1", to: "t" }, { whole: 7, text: "abc", yes: true })).toBe(true);
    expect(correlation({ messageId: "m-1" }, { whole: 8 })).toBe(false);
    expect(correlation({}, { whole: "7" })).toBe(false);
    expect(correlation({}, { missing: 1 })).toBe(false);
  });

  test("are refused when they are empty or name an unknown property", () => {
    expect(() => correlation({})).toThrow(/at least one/);
    expect(() => correlation({ size: "1" })).toThrow(/'size'/);
  });

  test("true and false filters pass all and nothing", () => {
    expect(compileFilter({ kind: "true" })(message)).toBe(true);
    expect(compileFilter({ kind: "false" })(message)).toBe(false);
  });
});
