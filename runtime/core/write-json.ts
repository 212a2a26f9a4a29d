/** Writes values as JSON, and refuses those of which JSON would keep something else, by their field. */
import { messageOf } from "./errors.ts";
import { showFieldPath } from "./field-path.ts";
import { JSON_MAX_DEPTH } from "./limits.ts";
import { JsonError } from "./parse-json.ts";

type Path = readonly (string | number)[];

/**
 * Undefined for undefined. Throws JsonError for what JSON has no word for (NaN, a BigInt, a function, a hole in a list),
 * what it would empty (a Map, an Error, a Promise, bytes), a cycle, and more than JSON_MAX_DEPTH levels. A field that is
 * undefined counts as not given.
 */
export function writeJson(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  try {
    check(value, "", [], []);
    return JSON.stringify(value);
  } catch (error) {
    if (error instanceof JsonError) throw error;
    // A getter or a `toJSON` threw.
    throw new JsonError([{ target: "", message: `cannot be written as JSON: ${messageOf(error)}` }], { cause: error });
  }
}

/** `above`: the objects it lies in. */
function check(given: unknown, key: string, path: Path, above: readonly object[]): void {
  const value = hasToJson(given) ? given.toJSON(key) : given;
  const lost = lossOf(value, given, above);
  if (lost !== undefined) {
    // Of the whole, the message continues a sentence that begins with its name.
    const message = path.length === 0 ? `cannot be written as JSON: ${lost}` : `${lost} cannot be written as JSON`;
    throw new JsonError([{ target: showFieldPath(path), message }]);
  }
  if (typeof value !== "object" || value === null) return;
  const inside = [...above, value];
  if (Array.isArray(value)) {
    // By index: a hole is an item too, and would become null.
    for (let index = 0; index < value.length; index++) check(value[index], String(index), [...path, index], inside);
    return;
  }
  for (const [name, item] of Object.entries(value)) {
    if (item !== undefined) check(item, name, [...path, name], inside);
  }
}

const hasToJson = (value: unknown): value is { toJSON(key: string): unknown } =>
  typeof value === "object" && value !== null && "toJSON" in value && typeof value.toJSON === "function";

/** What of a value is lost, in words; undefined: nothing. `given`: before its `toJSON`. */
function lossOf(value: unknown, given: unknown, above: readonly object[]): string | undefined {
  switch (typeof value) {
    case "bigint":
      return `the BigInt ${value}`;
    case "number":
      return Number.isFinite(value) ? undefined : String(value);
    case "undefined":
      return "undefined";
    case "function":
    case "symbol":
      return `a ${typeof value}`;
    case "object":
      if (value === null) return given instanceof Date ? "an invalid Date" : undefined;
      if (above.includes(value)) return "an object that contains itself";
      if (above.length >= JSON_MAX_DEPTH) return `more than ${JSON_MAX_DEPTH} levels`;
      return LOST.has(kindOf(value)) ? `a value of type ${kindOf(value)}` : undefined;
    case "boolean":
    case "string":
      return undefined;
  }
}

/** Objects that JSON would say nothing of, or only their indexes. */
const LOST: ReadonlySet<string> = new Set([
  ...["Map", "Set", "WeakMap", "WeakSet", "RegExp", "Error", "Promise", "ArrayBuffer", "SharedArrayBuffer", "DataView"],
  ...["Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array"],
  ...["Float16Array", "Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array", "Blob", "File"],
]);

const kindOf = (value: object): string => Object.prototype.toString.call(value).slice("[object ".length, -1);
