import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BusError } from "../../engine/errors.ts";
import { compileAction } from "../../engine/rules.ts";
import type { FilterableMessage } from "../../engine/message.ts";
import { encodeBody, parseBody, TestBus } from "../support/engine.ts";

const at = new Date(5_000);
const application: Record<string, unknown> = { whole: 7, fraction: 1.5, text: "abc", at, bytes: Buffer.from("x") };
const system: Record<string, unknown> = { messageid: "m-1", label: "Greeting" };
const message: FilterableMessage = {
  system: (name) => system[name],
  application: (name) => application[name.toLowerCase()],
  newId: () => "new-id",
};

const edits = (expression: string, parameters = {}) => {
  const { application: user, system: sys } = compileAction(expression, parameters)(message);
  return { user: Object.fromEntries(user), sys: Object.fromEntries(sys) };
};

describe("SQL rule actions", () => {
  test.each<[string, object]>([
    ["SET a = 1", { a: 1 }],
    ["SET a = 'it''s'; SET user.b = TRUE;", { a: "it's", b: true }],
    ["set a = 1 set b = 2", { a: 1, b: 2 }],
    ["SET [odd name] = whole + 1", { "odd name": 8 }],
    ["SET a = (whole - 1) * 2 / 3", { a: 4 }],
    ["SET a = -fraction", { a: -1.5 }],
    ["SET a = text + '!'", { a: "abc!" }],
    ["SET a = property('text')", { a: "abc" }],
    ["SET a = sys.Label", { a: "Greeting" }],
    ["SET a = at", { a: at }],
    ["SET a = newid()", { a: "new-id" }],
    ["SET a = missing", { a: null }],
    ["SET a = text - 1", { a: null }],
    ["SET a = bytes", { a: null }],
    ["REMOVE whole", { whole: undefined }],
    ["REMOVE missing", { missing: undefined }],
    ["SET a = whole; SET Whole = 1; SET b = whole", { a: 7, Whole: 1, b: 1 }],
    ["REMOVE whole; SET a = whole", { whole: undefined, a: null }],
  ])("change application properties: %s", (expression, expected) => {
    expect(edits(expression)).toEqual({ user: expected, sys: {} });
  });

  test.each<[string, object]>([
    ["SET sys.Label = 'x'", { label: "x" }],
    ["SET sys.subject = text", { subject: "abc" }],
    ["SET sys.CorrelationId = whole", { correlationid: "7" }],
    ["SET sys.To = missing", { to: undefined }],
    ["REMOVE sys.Label", { label: undefined }],
    [
      "SET sys.SessionId = sys.MessageId; SET sys.MessageId = sys.SessionId + '!'",
      { sessionid: "m-1", messageid: "m-1!" },
    ],
  ])("change system properties: %s", (expression, expected) => {
    expect(edits(expression)).toEqual({ user: {}, sys: expected });
  });

  test("take parameters", () => {
    expect(edits("SET a = @p + 1", { "@p": 2 }).user).toEqual({ a: 3 });
  });

  test.each<[string, RegExp]>([
    ["", /SQL action: expected SET or REMOVE at its end/],
    ["a = 1", /SET or REMOVE at position 0/],
    ["SET a", /'=' at its end/],
    ["SET a = 1,", /SET or REMOVE/],
    ["SET a = 1 OR 2", /SET or REMOVE/],
    ["SET sys.EnqueuedTimeUtc = 1", /system property 'EnqueuedTimeUtc'/],
    ["SET a = @p", /'@p' has no value/],
    ["REMOVE 1", /a property/],
    ["SET a = 1;;", /SET or REMOVE/],
    [Array.from({ length: 33 }, () => "REMOVE a").join(";"), /at most 32 statements/],
    [`SET a = '${"x".repeat(1_100)}'`, /A SQL action may have at most 1024/],
  ])("are refused with a reason: %s", (expression, reason) => {
    expect(() => compileAction(expression)).toThrow(reason);
  });

  test("fail only with invalid-argument, whatever the text", () => {
    const word = fc.constantFrom(
      ...[
        "SET",
        "REMOVE",
        "=",
        ";",
        "a",
        "sys.Label",
        "sys.",
        "[b c]",
        "'x'",
        "1",
        "1.5",
        "+",
        "-",
        "/",
        "%",
        "(",
        ")",
      ],
      ...["newid()", "p('a')", "@p", "@", "TRUE", "whole", "at", ","],
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 20 }), (words) => {
        try {
          compileAction(words.join(" "), { p: 1 })(message);
        } catch (error) {
          expect(error).toBeInstanceOf(BusError);
        }
      }),
      { numRuns: 3_000 },
    );
  });
});

describe("rules with actions", () => {
  const sql = (expression: string) => ({ kind: "sql", expression }) as const;

  test("each make a copy, beside one copy for all rules without an action, after any kind of restart", () => {
    const bus = new TestBus({ topics: [{ name: "t", subscriptions: [{ name: "s", rules: [] }] }] });
    const path = "t/Subscriptions/s";
    for (const rule of [
      { name: "plain-1", filter: sql("n > 0") },
      { name: "plain-2", filter: sql("n > 1") },
      { name: "marks", filter: sql("n > @least"), action: { expression: "SET mark = @m", parameters: { m: "x" } } },
      { name: "renames", filter: sql("n > 2"), action: { expression: "SET sys.MessageId = 'new'; REMOVE n" } },
    ]) {
      const filter = rule.name === "marks" ? { ...rule.filter, parameters: { "@least": 1 } } : rule.filter;
      bus.run((broker) => broker.setRule(path, { ...rule, filter }, "create"));
    }
    const copiesOf = (n: number) => {
      bus.run((broker) => broker.send("t", [{ body: encodeBody({ n }), messageId: String(n) }]));
      return bus.receive(path, 10, true).map(({ body }) => parseBody(body));
    };
    const expected = [
      [{ n: 1 }],
      [{ n: 2 }, { n: 2, mark: "x" }],
      [{ n: 3 }, { n: 3, mark: "x" }, { "sys.messageid": "new" }],
    ];
    expect([1, 2, 3].map(copiesOf)).toEqual(expected);
    bus.crash({ compact: false });
    expect([1, 2, 3].map(copiesOf)).toEqual(expected);
    bus.crash({ compact: true });
    expect([1, 2, 3].map(copiesOf)).toEqual(expected);
  });

  test("set or remove the session of a message", () => {
    const subscription = (name: string) => ({ name, requiresSession: true, rules: [] });
    const bus = new TestBus({ topics: [{ name: "t", subscriptions: [subscription("gives"), subscription("takes")] }] });
    const act = (name: string, expression: string) =>
      bus.run((broker) =>
        broker.setRule(
          `t/Subscriptions/${name}`,
          { name: "r", filter: { kind: "true" }, action: { expression } },
          "create",
        ),
      );
    act("gives", "SET sys.SessionId = 'a'");
    act("takes", "REMOVE sys.SessionId");
    bus.run((broker) => broker.send("t", [{ body: encodeBody({}), messageId: "1", sessionId: "b" }]));
    expect(bus.broker.entities.store("t/Subscriptions/gives").sessions.get("a")?.messageCount).toBe(1);
    expect(bus.broker.entities.store("t/Subscriptions/takes/$DeadLetterQueue").messages.size).toBe(1);
  });
});
