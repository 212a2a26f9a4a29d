/** Writes values as JSON, and refuses those of which JSON would keep something else. */
import { messageOf, type ErrorDetail } from "./errors.ts";
import { showFieldPath } from "./field-path.ts";
import { JsonError } from "./parse-json.ts";

/**
 * Undefined for undefined. Throws JsonError that names the field: for NaN and infinities, which become null; for what
 * becomes an empty object, like a Map, an Error or a Promise; for a BigInt, a cycle, and a function as the whole.
 */
export function writeJson(value: unknown): string | undefined {
  let text: string | undefined;
  let thrown: unknown;
  try {
    text = stringify(value);
    // Only these can stand for something that was lost.
    if (text !== undefined && !/null|\{\}/.test(text)) return text;
    if (value === undefined) return undefined;
    if (text === undefined) throw new TypeError(`a ${typeof value}`);
  } catch (error) {
    thrown = error;
  }
  const problem = findLost(value);
  if (problem !== undefined) throw new JsonError([problem], { cause: thrown });
  if (thrown === undefined) return text;
  throw new JsonError([{ target: "", message: `cannot be written as JSON: ${messageOf(thrown)}` }], { cause: thrown });
}

/** Undefined for what JSON cannot express, such as a function. */
const stringify = (value: unknown): string | undefined => JSON.stringify(value);

/** The first value that JSON does not keep. */
function findLost(root: unknown): ErrorDetail | undefined {
  let lost: ErrorDetail | undefined;
  /** Holders come before what they hold. */
  const paths = new Map<unknown, readonly (string | number)[]>();
  function visit(this: unknown, key: string, written: unknown): unknown {
    const above = paths.get(this);
    const path = above === undefined ? [] : [...above, Array.isArray(this) ? Number(key) : key];
    const what = lossOf((this as Record<string, unknown>)[key], written);
    if (what !== undefined) {
      lost ??= { target: showFieldPath(path), message: `${what} cannot be written as JSON` };
      return null;
    }
    if (typeof written === "object" && written !== null && !paths.has(written)) paths.set(written, path);
    return written;
  }
  try {
    JSON.stringify(root, visit);
  } catch {
    // A cycle, or a getter that throws: the caller knows from its own try.
  }
  return lost;
}

/** What of a value is lost, in words; undefined: nothing. `written`: what its own `toJSON` made of it. */
function lossOf(value: unknown, written: unknown): string | undefined {
  if (value instanceof Date && written === null) return "an invalid Date";
  if (typeof written === "number") return Number.isFinite(written) ? undefined : String(written);
  if (typeof written === "bigint") return `the BigInt ${written}`;
  if (typeof written !== "object" || written === null || Array.isArray(written)) return undefined;
  const kind = Object.prototype.toString.call(written).slice("[object ".length, -1);
  return kind !== "Object" && Object.keys(written).length === 0 ? `a value of type ${kind}` : undefined;
}
