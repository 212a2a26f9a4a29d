/**
 * Judges a value by the JSON Schema of a package, before a job is accepted. The schema comes from a tenant and is not trusted:
 * nothing in it is compiled or run, and the work is limited. What is not judged here (patterns, formats, `not`, `if`) and what
 * needs more work is left to the job, which judges again. So this may accept too much, and never refuses what a job takes.
 */
import type { ErrorDetail } from "../errors.ts";
import { showFieldPath } from "../json.ts";
import { SCHEMA_STEPS_BASE, SCHEMA_STEPS_MAX, SCHEMA_STEPS_PER_BYTE } from "../limits.ts";
import { didYouMean } from "../text.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

/** Wrong fields that one answer names. */
const PROBLEMS_MAX_COUNT = 20;
/** References in a row that lead to no deeper value. */
const REFERENCES_MAX_COUNT = 32;
/** Schemas inside each other, references included, so that the stack suffices. */
const NESTED_MAX_COUNT = 300;
/** Steps of what costs more than to look at a keyword. */
const COST = { problem: 10, hint: 300, compound: 2_000 };

export interface JudgedValue {
  readonly value: unknown;
  /** The length of its JSON, which bounds the work. */
  readonly bytes: number;
  /** Its name in messages. */
  readonly at: string;
}

/** The wrong fields, each with its path. Empty: none was found. */
export function judgeBySchema(schema: JsonSchema, { value, bytes, at }: JudgedValue): readonly ErrorDetail[] {
  const judge = createJudge(schema, Math.min(SCHEMA_STEPS_MAX, SCHEMA_STEPS_BASE + SCHEMA_STEPS_PER_BYTE * bytes));
  try {
    return judge(value)
      .slice(0, PROBLEMS_MAX_COUNT)
      .map(({ place, message }) => ({ target: showFieldPath(keysOf(place), at), message }));
  } catch (error) {
    if (error instanceof TooMuchWork) return [];
    throw error;
  }
}

class TooMuchWork extends Error {
  override readonly name = "TooMuchWork";
}

/** Undefined: the whole value. */
type Place = { readonly above: Place; readonly key: string | number } | undefined;

interface Problem {
  readonly place: Place;
  readonly message: string;
}

function keysOf(place: Place): (string | number)[] {
  const keys: (string | number)[] = [];
  for (let at = place; at !== undefined; at = at.above) keys.unshift(at.key);
  return keys;
}

function createJudge(root: JsonSchema, steps: number): (value: unknown) => readonly Problem[] {
  let left = steps;
  let nested = 0;
  function spend(count: number): void {
    left -= count;
    if (left < 0) throw new TooMuchWork();
  }

  function judge(schema: unknown, value: unknown, place: Place, references = 0): readonly Problem[] {
    spend(1);
    if (++nested > NESTED_MAX_COUNT) throw new TooMuchWork();
    const problems = problemsOf(schema, value, place, references);
    nested--;
    // All of them are kept until the end, also those of a branch that is not taken.
    spend(COST.problem * problems.length);
    return problems;
  }

  function problemsOf(schema: unknown, value: unknown, place: Place, references: number): readonly Problem[] {
    if (schema === false) return [{ place, message: "must not be given" }];
    if (!isObject(schema)) return [];
    spend(arrayOf(schema["type"]).length);
    const wrong = ofType(schema, value, place);
    if (wrong !== undefined) return [wrong];
    return [
      ...referred(schema, value, place, references),
      ...combined(schema, value, place, references),
      ...ofOneOf(schema, value, place),
      ...(typeof value === "number" ? numbers(schema, value, place) : []),
      ...(typeof value === "string" ? texts(schema, value, place, spend) : []),
      ...(Array.isArray(value) ? lists(schema, value, place) : []),
      ...(isObject(value) ? objects(schema, value, place) : []),
    ];
  }

  function referred({ $ref }: JsonSchema, value: unknown, place: Place, references: number): readonly Problem[] {
    if (typeof $ref !== "string") return [];
    if (references >= REFERENCES_MAX_COUNT) throw new TooMuchWork();
    spend($ref.length);
    return judge(pointedAt(root, $ref), value, place, references + 1);
  }

  function combined({ allOf, anyOf, oneOf }: JsonSchema, value: unknown, place: Place, references: number): Problem[] {
    const all = arrayOf(allOf).flatMap((one) => judge(one, value, place, references));
    // A value that fits two of `oneOf` is left to the job.
    const some = [anyOf, oneOf].flatMap((given) => {
      const branches = arrayOf(given);
      if (branches.length === 0) return [];
      let nearest: readonly Problem[] | undefined;
      for (const branch of branches) {
        const problems = judge(branch, value, place, references);
        if (problems.length === 0) return [];
        nearest = nearer(nearest, problems, place);
      }
      return nearest ?? [];
    });
    return [...all, ...some];
  }

  /** The branch that was probably meant: one whose problems lie inside of the value. */
  function nearer(one: readonly Problem[] | undefined, other: readonly Problem[], place: Place): readonly Problem[] {
    if (one === undefined) return other;
    const isAtTop = (problems: readonly Problem[]): boolean => problems.some((problem) => problem.place === place);
    if (isAtTop(one) && isAtTop(other)) return [{ place, message: "fits none of the forms that are possible here" }];
    if (isAtTop(one) !== isAtTop(other)) return isAtTop(one) ? other : one;
    return other.length < one.length ? other : one;
  }

  function ofOneOf(schema: JsonSchema, value: unknown, place: Place): Problem[] {
    const options = Object.hasOwn(schema, "const") ? [schema["const"]] : arrayOf(schema["enum"]);
    spend(options.length);
    // To compare lists and objects is left to the job.
    const isJudged = options.length > 0 && !(isCompound(value) && options.some(isCompound));
    if (!isJudged || options.includes(value)) return [];
    if (options.slice(0, SHOWN_MAX_COUNT).some(isCompound)) spend(COST.compound);
    return [{ place, message: `must be ${options.length === 1 ? show(options[0]) : `one of ${listOf(options)}`}` }];
  }

  function lists(schema: JsonSchema, list: readonly unknown[], place: Place): Problem[] {
    const first = arrayOf(schema["prefixItems"]);
    const items = schema["items"];
    const inside = list.flatMap((item, index) => {
      const by = index < first.length ? first[index] : items;
      return by === undefined ? [] : judge(by, item, { above: place, key: index });
    });
    return [...bounds(list.length, schema, { min: "minItems", max: "maxItems", unit: "item" }, place), ...inside];
  }

  function objects(schema: JsonSchema, value: JsonSchema, place: Place): Problem[] {
    const { required, propertyNames, additionalProperties } = schema;
    const properties = isObject(schema["properties"]) ? schema["properties"] : {};
    const names = Object.keys(value);
    const needed = arrayOf(required).filter((name) => typeof name === "string");
    spend(arrayOf(required).length + names.length);
    const missing = needed.filter((name) => !Object.hasOwn(value, name));
    const inside = names.flatMap((name) => {
      const at = { above: place, key: name };
      if (Object.hasOwn(properties, name)) return judge(properties[name], value[name], at);
      if (additionalProperties === undefined || schema["patternProperties"] !== undefined) return [];
      if (additionalProperties !== false) return judge(additionalProperties, value[name], at);
      spend(COST.hint);
      return [{ place: at, message: `is not a known field${didYouMean(name, meant(properties))}` }];
    });
    const named =
      propertyNames === undefined
        ? []
        : names.flatMap((name) => judge(propertyNames, name, { above: place, key: name }));
    return [
      ...missing.map((key) => ({ place: { above: place, key }, message: "is required" })),
      ...bounds(names.length, schema, { min: "minProperties", max: "maxProperties", unit: "field" }, place),
      ...inside,
      ...named,
    ];
  }

  return (value) => judge(root, value, undefined);
}

// --- Keywords that look at one value ---------------------------------------------------------------------------------

const TYPES: Readonly<Record<string, readonly [words: string, fits: (value: unknown) => boolean]>> = {
  string: ["a text", (value) => typeof value === "string"],
  number: ["a number", (value) => typeof value === "number"],
  integer: ["a whole number", (value) => Number.isInteger(value)],
  boolean: ["true or false", (value) => typeof value === "boolean"],
  null: ["null", (value) => value === null],
  array: ["a list", (value) => Array.isArray(value)],
  object: ["an object", (value) => isObject(value)],
};

function ofType({ type }: JsonSchema, value: unknown, place: Place): Problem | undefined {
  const names = typeof type === "string" ? [type] : arrayOf(type);
  const types = names.map((name) => (typeof name === "string" && Object.hasOwn(TYPES, name) ? TYPES[name] : undefined));
  // One of a later specification is left to the job.
  const isJudged = types.length > 0 && types.every((one) => one !== undefined);
  if (!isJudged || types.some(([, fits]) => fits(value))) return undefined;
  return { place, message: `must be ${[...new Set(types.map(([words]) => words))].join(" or ")}` };
}

function numbers(schema: JsonSchema, value: number, place: Place): Problem[] {
  const checks: readonly (readonly [keyword: string, words: string, fits: (limit: number) => boolean])[] = [
    ["minimum", "must be at least", (limit) => value >= limit],
    ["maximum", "must be at most", (limit) => value <= limit],
    ["exclusiveMinimum", "must be more than", (limit) => value > limit],
    ["exclusiveMaximum", "must be less than", (limit) => value < limit],
    // Fractions have no exact remainder.
    ["multipleOf", "must be a multiple of", (of) => !Number.isInteger(of) || of === 0 || value % of === 0],
  ];
  return checks.flatMap(([keyword, words, fits]) => {
    const limit = schema[keyword];
    return typeof limit !== "number" || fits(limit) ? [] : [{ place, message: `${words} ${limit}` }];
  });
}

/**
 * Libraries differ in how they count characters beyond 16 bits: the longer count is for the least, the shorter for the most.
 * A character has at most two units of 16 bits, so most texts need no count.
 */
function texts(schema: JsonSchema, text: string, place: Place, spend: (count: number) => void): Problem[] {
  const { minLength, maxLength } = schema;
  const keywords = { min: "minLength", max: "maxLength", unit: "character" };
  const isLong = typeof maxLength === "number" && text.length > maxLength;
  const isCounted = isLong && text.length <= 2 * maxLength;
  if (isCounted) spend(text.length);
  const length = isCounted ? Array.from(text).length : text.length;
  return bounds(length, { minLength: isLong ? undefined : minLength, maxLength }, keywords, place);
}

interface Bounds {
  readonly min: string;
  readonly max: string;
  readonly unit: string;
}

function bounds(count: number, schema: JsonSchema, { min, max, unit }: Bounds, place: Place): Problem[] {
  const [least, most] = [schema[min], schema[max]];
  const counted = (limit: number): string => `${limit} ${unit}${limit === 1 ? "" : "s"}`;
  if (typeof least === "number" && count < least) return [{ place, message: `must have at least ${counted(least)}` }];
  if (typeof most === "number" && count > most) return [{ place, message: `must have at most ${counted(most)}` }];
  return [];
}

// --- Parts of a schema -----------------------------------------------------------------------------------------------

const isObject = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isCompound = (value: unknown): boolean => typeof value === "object" && value !== null;

const arrayOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** What a reference into the schema itself points at; any other one is left to the job. */
export function pointedAt(root: JsonSchema, reference: string): unknown {
  if (reference === "#") return root;
  if (!reference.startsWith("#/")) return undefined;
  return reference
    .slice(2)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce<unknown>(
      (at, key) =>
        typeof at === "object" && at !== null && Object.hasOwn(at, key) ? (at as JsonSchema)[key] : undefined,
      root,
    );
}

/** Names that a misspelt one is compared with. */
const MEANT_MAX_COUNT = 30;
const meant = (properties: JsonSchema): readonly string[] => Object.keys(properties).slice(0, MEANT_MAX_COUNT);

const SHOWN_MAX_COUNT = 10;
const SHOWN_MAX_LENGTH = 60;

function show(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > SHOWN_MAX_LENGTH ? `${text.slice(0, SHOWN_MAX_LENGTH)}…` : text;
}

function listOf(options: readonly unknown[]): string {
  const more = options.length - SHOWN_MAX_COUNT;
  return options.slice(0, SHOWN_MAX_COUNT).map(show).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
