import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../../../runtime/core/json.ts";

/** The same value with the fields of every object in another order. */
function shuffled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, field]) => [name, shuffled(field)]),
  );
}

describe("canonical JSON", () => {
  it("canonical JSON is the same whatever the order of fields", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => canonicalJson(shuffled(value)) === canonicalJson(value)));
  });

  it("two different values never share a canonical JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it("canonical JSON leaves out undefined fields and writes instants as JSON does", () => {
    const value = { b: undefined, a: new Date("2030-01-01T00:00:00Z"), c: [undefined, { d: undefined }], e: null };
    expect(canonicalJson(value)).toBe('{"a":"2030-01-01T00:00:00.000Z","c":[null,{}],"e":null}');
  });

  it("canonical JSON keeps the order of lists", () => {
    expect(canonicalJson([2, 1])).not.toBe(canonicalJson([1, 2]));
  });
});
