/** Judging by JSON Schema: what it says of wrong fields, and that it refuses nothing that a full validator accepts. */
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { SCHEMA_STEPS_BASE } from "../../../../runtime/core/limits.ts";
import { type JsonSchema, judgeBySchema } from "../../../../runtime/core/package/json-schema.ts";

const judge = (schema: JsonSchema, value: unknown): readonly string[] =>
  judgeBySchema(schema, { value, bytes: JSON.stringify(value).length, at: "parameters" }).map(
    ({ target, message }) => `${target} ${message}`,
  );

const COLOURS = { enum: ["red", "green", 3, null] };
const ANIMAL = {
  oneOf: [
    { type: "object", properties: { kind: { const: "cat" }, lives: { type: "integer" } }, required: ["kind", "lives"] },
    { type: "object", properties: { kind: { const: "dog" }, name: { type: "string" } }, required: ["kind", "name"] },
  ],
};
const TREE: JsonSchema = {
  type: "object",
  properties: { name: { type: "string" }, kids: { type: "array", items: { $ref: "#" } } },
  required: ["name"],
};

describe("a value that does not fit", () => {
  it.each<[string, JsonSchema, unknown, readonly string[]]>([
    ["another type", { type: "string" }, 1, ["parameters must be a text"]],
    ["none of several types", { type: ["integer", "null"] }, 1.5, ["parameters must be a whole number or null"]],
    ["no option", COLOURS, "blue", ['parameters must be one of "red", "green", 3, null']],
    ["another constant", { const: 4 }, 5, ["parameters must be 4"]],
    ["a number too small", { minimum: 3 }, 2, ["parameters must be at least 3"]],
    ["a number too large", { exclusiveMaximum: 3 }, 3, ["parameters must be less than 3"]],
    ["no multiple", { multipleOf: 5 }, 7, ["parameters must be a multiple of 5"]],
    ["a text too long", { maxLength: 2 }, "abc", ["parameters must have at most 2 characters"]],
    ["a list too short", { minItems: 1 }, [], ["parameters must have at least 1 item"]],
    ["a wrong item", { items: { type: "number" } }, [1, "2"], ["parameters[1] must be a number"]],
    [
      "a wrong place of a tuple",
      { prefixItems: [{}, { type: "null" }], items: false },
      [1, 2, 3],
      ["parameters[1] must be null", "parameters[2] must not be given"],
    ],
    ["a missing field", { required: ["a"] }, {}, ["parameters.a is required"]],
    [
      "an unknown field",
      { properties: { sizes: {} }, additionalProperties: false },
      { sises: 1 },
      ['parameters.sises is not a known field (did you mean "sizes"?)'],
    ],
    [
      "a wrong value of a record",
      { additionalProperties: { type: "number" } },
      { a: "1" },
      ["parameters.a must be a number"],
    ],
    [
      "a wrong name of a record",
      { propertyNames: { enum: ["a", "b"] } },
      { c: 1 },
      ['parameters.c must be one of "a", "b"'],
    ],
    [
      "a field inside of the branch that was meant",
      ANIMAL,
      { kind: "dog", name: 7 },
      ["parameters.name must be a text"],
    ],
    [
      "no branch",
      { anyOf: [{ type: "string" }, { type: "number" }] },
      true,
      ["parameters fits none of the forms that are possible here"],
    ],
    [
      "a field deep inside of a recursive schema",
      TREE,
      { name: "a", kids: [{ name: "b" }, { name: 1 }] },
      ["parameters.kids[1].name must be a text"],
    ],
    [
      "all of several",
      { allOf: [{ required: ["a"] }, { required: ["b"] }] },
      {},
      ["parameters.a is required", "parameters.b is required"],
    ],
  ])("is named with its path and what it must be: %s", (_, schema, value, expected) => {
    expect(judge(schema, value)).toEqual(expected);
  });

  it("names at most twenty fields", () => {
    expect(
      judge(
        { items: { type: "string" } },
        Array.from({ length: 100 }, (_, n) => n),
      ),
    ).toHaveLength(20);
  });
});

describe("a value that the job may take", () => {
  it.each<[string, JsonSchema, unknown]>([
    ["a pattern", { pattern: "^a$" }, "b"],
    ["a format", { format: "date" }, "yesterday"],
    ["not", { not: {} }, 1],
    ["a type of a later specification", { type: "decimal" }, "x"],
    ["characters beyond 16 bits, counted either way", { maxLength: 2 }, "😀😀"],
    ["equal objects", { enum: [{ a: 1 }] }, { a: 1 }],
  ])("is left to it: %s", (_, schema, value) => {
    expect(judge(schema, value)).toEqual([]);
  });

  const BIG = 32 * 1024;
  it.each<[string, object, unknown]>([
    ["long texts counted again and again", { allOf: Array(2_000).fill({ maxLength: 800_000 }) }, "x".repeat(1_000_000)],
    [
      "long lists of types for each item",
      { items: { type: Array(3_000).fill("string") } },
      Array.from({ length: 500_000 }, () => 0),
    ],
    [
      "unknown fields that are like many others",
      {
        properties: Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`name${n}`, true])),
        additionalProperties: false,
      },
      Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`nane${n}`, 0])),
    ],
    ["a large constant shown for each item", { items: { const: { text: "x".repeat(BIG) } } }, Array(300_000).fill(0)],
    [
      "references through many levels",
      {
        $defs: { a: Array.from({ length: 40 }).reduce<object>((all) => ({ allOf: [all] }), { $ref: "#/$defs/a" }) },
        $ref: "#/$defs/a",
      },
      1,
    ],
  ])("is left to it: %s", (_, schema, value) => {
    expect(judge(schema as Parameters<typeof judge>[0], value)).toEqual([]);
  });

  it("is left to it when judging takes too much work, which grows with the value only", () => {
    const wrong = {
      allOf: Array.from({ length: SCHEMA_STEPS_BASE + 50 }, () => ({})),
      type: "object",
      required: ["a"],
    };
    expect(judge(wrong, {})).toEqual([]);
    expect(judge({ ...wrong, allOf: [] }, {})).toEqual(["parameters.a is required"]);
    const list = Array.from({ length: 100_000 }, (_, n) => ({ n }));
    expect(judge({ items: { type: "object", properties: { n: { type: "integer", maximum: 99_998 } } } }, list)).toEqual(
      ["parameters[99999].n must be at most 99998"],
    );
  });
});

const leaf = fc.oneof(
  fc.constantFrom<JsonSchema>(
    { type: "string" },
    { type: "integer" },
    { type: "null" },
    { type: ["boolean", "number"] },
  ),
  fc.record({ minimum: fc.integer({ min: -5, max: 5 }) }),
  fc.record({ maxLength: fc.nat(3) }),
  fc.record({ minLength: fc.nat(3) }),
  fc.record({
    enum: fc.uniqueArray(fc.oneof(fc.string({ maxLength: 2 }), fc.integer({ min: 0, max: 3 })), {
      minLength: 1,
      maxLength: 3,
    }),
  }),
);
const names = fc.constantFrom("a", "b", "c");
const { schema: anySchema } = fc.letrec<{ schema: JsonSchema }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.record({ items: tie("schema"), minItems: fc.nat(2) }),
    fc.record({ anyOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) }),
    fc.record({ allOf: fc.array(tie("schema"), { minLength: 1, maxLength: 2 }) }),
    fc.record(
      {
        properties: fc.dictionary(names, tie("schema"), { maxKeys: 3 }),
        required: fc.uniqueArray(names, { maxLength: 2 }),
        additionalProperties: fc.oneof(fc.boolean(), tie("schema")),
      },
      { requiredKeys: ["properties"] },
    ),
  ),
}));
const anyValue = fc
  .jsonValue({ maxDepth: 3 })
  .chain((value) =>
    fc.oneof(
      fc.constant(value),
      fc.dictionary(names, fc.oneof(fc.constant(value), fc.integer({ min: -6, max: 6 }), fc.string({ maxLength: 4 }))),
    ),
  );

describe("beside a full validator", () => {
  it("says the same of random schemas and values in the keywords that it knows", () => {
    const ajv = new Ajv2020({ strict: false });
    fc.assert(
      fc.property(anySchema, anyValue, (schema, value) => {
        const text = JSON.parse(JSON.stringify(value)) as unknown;
        expect(judge(schema, text).length === 0).toBe(ajv.validate(schema, text));
      }),
      { numRuns: 300 },
    );
  });

  it("accepts what zod accepts", () => {
    const schema = z.object({
      year: z.int().min(1900).max(2999),
      sizes: z.array(z.int().positive()).min(1).max(3).default([1]),
      mode: z.enum(["fast", "slow"]).optional(),
      at: z.iso.datetime().nullable(),
      who: z.discriminatedUnion("kind", [
        z.object({ kind: z.literal("a"), n: z.number() }),
        z.object({ kind: z.literal("b") }),
      ]),
      tags: z.record(z.string(), z.union([z.string(), z.boolean()])),
    });
    const described = z.toJSONSchema(schema, { io: "input" });
    const some = fc.record(
      {
        year: fc.oneof(fc.integer({ min: 1800, max: 3100 }), fc.double()),
        sizes: fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 4 }),
        mode: fc.constantFrom("fast", "slow", "other"),
        at: fc.constantFrom(null, "2030-01-31T08:00:00Z", 5),
        who: fc.constantFrom<unknown>({ kind: "a", n: 1 }, { kind: "a" }, { kind: "b", more: 1 }, {}),
        tags: fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.boolean(), fc.integer())),
      },
      { requiredKeys: ["year"] },
    );
    fc.assert(
      fc.property(some, (value) => {
        const sent = JSON.parse(JSON.stringify(value)) as unknown;
        expect(judge(described, sent).length === 0).toBe(schema.safeParse(sent).success);
      }),
      { numRuns: 500 },
    );
  });
});
