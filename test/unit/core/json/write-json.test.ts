import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseJson, writeJson } from "../../../../runtime/core/json.ts";

describe("writeJson", () => {
  it("writeJson writes what JSON.stringify writes, and it reads back the same", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = writeJson(value);
        expect(text).toBe(JSON.stringify(value));
        expect(parseJson(text ?? "")).toEqual(JSON.parse(text ?? ""));
      }),
    );
  });

  it.each<[string, unknown, string | undefined]>([
    ["undefined", undefined, undefined],
    ["null", null, "null"],
    ["an empty object", { a: {}, b: Object.create(null) as unknown }, '{"a":{},"b":{}}'],
    ["an object of a class without fields", Object.create({ x: 1 }), "{}"],
    ["dates", [new Date(0), null], '["1970-01-01T00:00:00.000Z",null]'],
    ["what toJSON makes", { a: { toJSON: () => null } }, '{"a":null}'],
    ["the same object twice", [[{}], [{}]], "[[{}],[{}]]"],
  ])("writeJson accepts %s", (_, value, text) => {
    expect(writeJson(value)).toBe(text);
  });

  const cycle: unknown[] = [];
  cycle.push(cycle);
  it.each<[string, unknown, string]>([
    ["NaN", { a: [1, NaN] }, "holds a[1]: NaN cannot be written as JSON"],
    ["an infinity", { rate: -Infinity }, "holds rate: -Infinity cannot be written as JSON"],
    ["a BigInt", { id: 12n }, "holds id: the BigInt 12 cannot be written as JSON"],
    ["an invalid date", { at: new Date(NaN) }, "holds at: an invalid Date cannot be written as JSON"],
    ["a Map", { by: new Map([[1, 2]]) }, "holds by: a value of type Map cannot be written as JSON"],
    ["a Set", new Set([1]), "cannot be written as JSON: a value of type Set"],
    ["an Error", { e: new Error("lost") }, "holds e: a value of type Error cannot be written as JSON"],
    ["a forgotten await", { rows: Promise.resolve([]) }, "holds rows: a value of type Promise"],
    ["a hole in a list", { a: [1, undefined] }, "holds a[1]: undefined cannot be written as JSON"],
    ["bytes", { file: new Uint8Array(2) }, "holds file: a value of type Uint8Array"],
    ["a function", () => 1, "cannot be written as JSON: a function"],
    ["a cycle", cycle, "holds [0]: an object that contains itself cannot be written as JSON"],
    [
      "a getter that throws",
      {
        get a() {
          throw new Error("no");
        },
      },
      "cannot be written as JSON: no",
    ],
  ])("writeJson refuses %s by its field", (_, value, message) => {
    expect(() => writeJson(value)).toThrow(message);
  });
});
