/**
 * The JSON text of what a caller gives. `JSON.stringify` throws for some values without saying where they are, and changes
 * others silently; here both are refused by the path of the field, before anything is sent.
 */
import { JSON_MAX_DEPTH } from "../core/limits.ts";
import { JobServiceError } from "./errors.ts";

/** Throws InvalidRequest, whose `target` is the field, for what no JSON can say. */
export function jsonText(value: unknown): string {
  check(value, "", []);
  return JSON.stringify(value);
}

/** `above`: the objects it lies in. */
function check(given: unknown, path: string, above: readonly object[]): void {
  const value = hasToJson(given) ? given.toJSON(keyOf(path)) : given;
  const problem = problemOf(value, given);
  if (problem !== undefined) throw refused(path, problem);
  if (typeof value !== "object" || value === null) return;
  if (above.includes(value)) throw refused(path, "contains itself");
  if (above.length >= JSON_MAX_DEPTH) throw refused(path, `is nested deeper than ${JSON_MAX_DEPTH} levels`);
  const inside = [...above, value];
  if (Array.isArray(value)) {
    // By index: a hole is an item, too, and would become null.
    for (let index = 0; index < value.length; index++) check(value[index], `${path}[${index}]`, inside);
    return;
  }
  for (const [key, item] of Object.entries(value)) {
    // A field that is undefined is one that is not given.
    if (item !== undefined) check(item, path === "" ? key : `${path}.${key}`, inside);
  }
}

const hasToJson = (value: unknown): value is { toJSON(key: string): unknown } =>
  typeof value === "object" && value !== null && "toJSON" in value && typeof value.toJSON === "function";

const keyOf = (path: string): string => /[^.[\]]*\]?$/.exec(path)?.[0].replace("]", "") ?? "";

/** What a value is that JSON cannot say; `given`: before its `toJSON`. */
function problemOf(value: unknown, given: unknown): string | undefined {
  switch (typeof value) {
    case "bigint":
      return "is a BigInt: send it as text";
    case "number":
      return Number.isFinite(value) ? undefined : `is ${value}`;
    case "undefined":
      return "is undefined";
    case "function":
      return "is a function";
    case "symbol":
      return "is a symbol";
    case "object":
      if (value === null) return given instanceof Date ? "is a date that is not valid" : undefined;
      return LOST.has(kindOf(value)) ? `is a ${kindOf(value)}` : undefined;
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

function refused(path: string, problem: string): JobServiceError {
  const target = path === "" ? "body" : path;
  const message = `${problem}. JSON has no such value; nothing was sent.`;
  return new JobServiceError("InvalidRequest", `${target} ${message}`, { target, details: [{ target, message }] });
}
