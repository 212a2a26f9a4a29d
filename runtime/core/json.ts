/**
 * JSON in and out without loss. Reading refuses bytes that are not UTF-8 and numbers that a 64-bit floating-point number
 * does not hold; it drops a byte order mark. Writing refuses values that JSON would change or empty.
 */
import { type ErrorDetail, messageOf } from "./errors.ts";
import { JSON_MAX_DEPTH } from "./limits.ts";

/**
 * `problems` name the fields by their paths, which are empty for the whole text. The message continues a sentence that
 * begins with the name of the source: "job.json" + " is not JSON: …".
 */
export class JsonError extends Error {
  override readonly name = "JsonError";
  readonly problems: readonly ErrorDetail[];

  constructor(problems: readonly ErrorDetail[], options?: { cause?: unknown }) {
    super(sentenceOf(problems), options);
    this.problems = problems;
  }
}

/** Throws JsonError. */
export function parseJson(source: Uint8Array | string): unknown {
  const { value, problems } = readJson(source);
  if (problems.length > 0) throw new JsonError(problems);
  return value;
}

export interface JsonReading {
  readonly value: unknown;
  /** Numbers that have changed. */
  readonly problems: readonly ErrorDetail[];
}

/**
 * As `parseJson`, but returns changed numbers as problems, for a list whose items are checked alone. Throws JsonError for
 * invalid JSON.
 */
export function readJson(source: Uint8Array | string): JsonReading {
  const text = typeof source === "string" ? source.replace(/^\ufeff/, "") : decodeUtf8(source);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw whole(`is not JSON: ${messageOf(error)}`, error);
  }
  return { value, problems: SUSPECT.test(text) ? changedNumbers(text) : [] };
}

/** The text of UTF-8 bytes, without a byte order mark. Throws JsonError for other encodings. */
export function decodeUtf8(bytes: Uint8Array): string {
  // Text of JSON has no NUL, and UTF-16 has one beside every ASCII character.
  const isUtf16 =
    (bytes[0] === 0xff && bytes[1] === 0xfe) ||
    (bytes[0] === 0xfe && bytes[1] === 0xff) ||
    (bytes.length > 1 && (bytes[0] === 0 || bytes[1] === 0));
  if (isUtf16) throw whole("is UTF-16; save it as UTF-8");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw whole("is not UTF-8; save it as UTF-8", error);
  }
}

const whole = (message: string, cause?: unknown): JsonError =>
  new JsonError([{ target: "", message }], cause === undefined ? undefined : { cause });

function sentenceOf(problems: readonly ErrorDetail[]): string {
  const [first, ...others] = problems;
  if (first === undefined) return "cannot be read";
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  return first.target === "" ? first.message : `holds ${first.target}: ${first.message}${more}`;
}

/** Enough to repair a text by. */
const PROBLEMS_MAX_COUNT = 20;
const SHOWN_MAX_LENGTH = 60;

/**
 * Whether a number in the text might be one that changes: it has 16 digits or an exponent of three. Any other decimal
 * number of up to 15 digits is the nearest one to its double. Also true for some texts without such a number.
 */
const SUSPECT = /(?:^|[:,[\s])-?(?:[0-9.]{16}|[0-9.]+[eE][+-]?[0-9]{3})/;

interface Found {
  readonly source: string;
  /** The known part of the path: values are visited before their holders. */
  readonly path: (string | number)[];
  holder: unknown;
}

function changedNumbers(text: string): ErrorDetail[] {
  const found: Found[] = [];
  function visit(this: unknown, key: string, value: unknown, context?: { readonly source?: string }): unknown {
    const part = Array.isArray(this) ? Number(key) : key;
    if (typeof value === "number") {
      const source = context?.source;
      if (source !== undefined && found.length < PROBLEMS_MAX_COUNT && !arrivesUnchanged(source)) {
        found.push({ source, path: [part], holder: this });
      }
    } else if (typeof value === "object" && value !== null) {
      for (const one of found) {
        if (one.holder !== value) continue;
        one.path.unshift(part);
        one.holder = this;
      }
    }
    return value;
  }
  try {
    JSON.parse(text, visit);
  } catch (error) {
    // The visit is recursive, unlike plain parsing.
    throw whole("is nested too deeply", error);
  }
  return found.map(({ source, path: [, ...path] }) => ({
    target: showFieldPath(path),
    message: `${shorten(source)} would arrive as ${JSON.stringify(Number(source))}; send it as text`,
  }));
}

const shorten = (source: string): string =>
  source.length > SHOWN_MAX_LENGTH ? `${source.slice(0, SHOWN_MAX_LENGTH)}…` : source;

/** More digits are not compared. */
const DIGITS_MAX_COUNT = 100;

/**
 * Whether a number of JSON text is the same after it has been a double. A whole number must be written as before, digit
 * by digit. Another may be any decimal form of its double: 17 digits and more are what some languages print for one.
 */
function arrivesUnchanged(source: string): boolean {
  const value = Number(source);
  // Most are written as JavaScript and many others write them.
  if (String(value) === source) return true;
  if (!Number.isFinite(value)) return false;
  const written = decimalOf(source);
  if (written === decimalOf(String(value))) return true;
  const digits = /^[0-9]*/.exec(written)?.[0].length ?? 0;
  if (/^-?[0-9]+$/.test(source) || digits === 0 || digits > DIGITS_MAX_COUNT) return false;
  return written === decimalOf(value.toPrecision(digits));
}

/** The same for two numbers that are equal: their digits without outer zeros, and the exponent of the last. */
function decimalOf(source: string): string {
  const [, whole = "", fraction = "", exponent = "0"] =
    /^-?([0-9]+)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?$/.exec(source) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return "0";
  return `${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`;
}

// --- Writing ---------------------------------------------------------------------------------------------------------

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

/** What JSON would lose of a value, in words; undefined: nothing. `given` is the value before its `toJSON`. */
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

/** Objects that JSON would empty or turn into indexes. */
const LOST: ReadonlySet<string> = new Set([
  ...["Map", "Set", "WeakMap", "WeakSet", "RegExp", "Error", "Promise", "ArrayBuffer", "SharedArrayBuffer", "DataView"],
  ...["Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array"],
  ...["Float16Array", "Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array", "Blob", "File"],
]);

const kindOf = (value: object): string => Object.prototype.toString.call(value).slice("[object ".length, -1);

// --- Canonical text --------------------------------------------------------------------------------------------------

/**
 * One text for all forms of a JSON value, to compare or hash it: fields in the order of their names, those without a value
 * left out, instants as ISO 8601. Recursive: for values whose depth has been checked.
 */
export function canonicalJson(value: unknown): string {
  if (value instanceof Date) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value ?? null);
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`);
  return `{${fields.join(",")}}`;
}

// --- Paths -----------------------------------------------------------------------------------------------------------

/** A field as people write it: `jobs[1].entry.file`. `at`: the path of the value itself. Numbers are places in a list. */
export const showFieldPath = (path: readonly PropertyKey[], at = ""): string =>
  path.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`;
    return text === "" ? String(key) : `${text}.${String(key)}`;
  }, at);
