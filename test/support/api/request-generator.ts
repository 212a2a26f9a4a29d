/**
 * Requests made from the API's document: right ones, and right ones with something wrong in them. A request that broke
 * the API is told by its seed and number, and printed whole.
 */
import type { JsonSchema, Operation, Contract } from "./contract.ts";
import type { SeededRandom } from "../seeded-random.ts";
import type { WireRequest } from "./wire.ts";

/** Values that mean something to the API under test, by the name of the field or parameter. */
export type Samples = Readonly<Record<string, readonly unknown[]>>;

export interface Generated {
  readonly operation: Operation;
  readonly request: WireRequest;
}

/** Bodies where the document promises bytes only. */
export interface SampleZips {
  readonly sound: readonly Uint8Array[];
  readonly hostile: readonly Uint8Array[];
}

export function createRequestGenerator(
  { operations, document }: Contract,
  samples: Samples,
  zips: SampleZips,
  random: SeededRandom,
) {
  const chance = (probability: number): boolean => random.chance(probability);
  const pick = <T>(items: readonly T[]): T => random.pick(items);
  const upTo = (max: number): number => Math.floor(random.next() * (max + 1));

  // --- Values ---------------------------------------------------------------------------------------------------------

  function nasty(): unknown {
    const value = pick<unknown>(NASTY);
    return typeof value === "function" ? (value as () => unknown)() : value;
  }

  const nastyText = (): string => {
    const value = nasty();
    return typeof value === "string" ? value : JSON.stringify(value);
  };

  const textOf = (min: number, max: number): string =>
    Array.from({ length: min + upTo(Math.min(max - min, 30)) }, () => pick(LETTERS)).join("");

  function numberOf({ type, minimum = 0, maximum = 1_000_000 }: NumberSchema): number {
    const value = minimum + random.next() * (Math.min(maximum, minimum + 100_000) - minimum);
    return pick([minimum, maximum, type === "integer" ? Math.round(value) : value]);
  }

  /** A value that the schema accepts. */
  function valueOf(schema: JsonSchema, name = ""): unknown {
    const known = samples[name];
    if (known !== undefined) return pick(known);
    const ref = schema["$ref"];
    if (typeof ref === "string") {
      return valueOf(document.components.schemas[ref.slice(ref.lastIndexOf("/") + 1)] ?? {}, name);
    }
    if (Array.isArray(schema["enum"])) return pick(schema["enum"] as unknown[]);
    if (schema["format"] === "date-time") return pick(INSTANTS);
    switch (schema["type"]) {
      case "object":
        return objectOf(schema);
      case "array":
        return Array.from({ length: 1 + upTo(3) }, () => valueOf(schema["items"] as JsonSchema, name));
      case "string":
        return textOf(Number(schema["minLength"] ?? 0), Number(schema["maxLength"] ?? 50));
      case "integer":
      case "number":
        return numberOf(schema);
      case "boolean":
        return chance(0.5);
      default:
        return pick<unknown>([null, 1, "text", { a: [1, { b: true }] }, []]);
    }
  }

  function objectOf(schema: JsonSchema): Record<string, unknown> {
    const required = (schema["required"] ?? []) as readonly string[];
    const properties = Object.entries((schema["properties"] ?? {}) as Record<string, JsonSchema>);
    return Object.fromEntries(
      properties
        .filter(([name]) => required.includes(name) || chance(0.3))
        .map(([name, property]) => [name, valueOf(property, name)]),
    );
  }

  /** The same with one thing wrong, somewhere. */
  function broken(value: unknown): unknown {
    if (typeof value !== "object" || value === null || chance(0.3)) return nasty();
    if (Array.isArray(value))
      return chance(0.3)
        ? [...(value as unknown[]), nasty()]
        : value.map((item) => (chance(0.5) ? broken(item) : item) as unknown);
    const entries = Object.entries(value);
    if (entries.length === 0 || chance(0.3)) return Object.fromEntries([...entries, [pick(KEYS), nasty()]]);
    const [chosen] = pick(entries);
    return Object.fromEntries(
      entries.flatMap(([name, item]) =>
        name !== chosen ? [[name, item] as const] : chance(0.3) ? [] : [[name, broken(item)] as const],
      ),
    );
  }

  // --- Parts of a request ---------------------------------------------------------------------------------------------

  function pathOf(operation: Operation): string {
    const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
      if (chance(0.1)) return pick(MALFORMED);
      const text = chance(0.75) ? String(valueOf({ type: "string" }, name)) : nastyText();
      return encodeURIComponent(text.toWellFormed().slice(0, 500)) || "x";
    });
    return chance(0.03) ? `${path}${pick(["/", "//", "/%", "/..", "/x"])}` : path;
  }

  function queryOf({ parameters = [] }: Operation): string {
    const pairs = parameters
      .filter(({ in: where }) => where === "query")
      .flatMap(({ name, schema, required }) => {
        const value = String(valueOf(schema, name));
        // Lists that always have a wrong token, or events of three things at once, are never served.
        if (chance(required === true ? 0.1 : 0.5)) return [];
        const pair = `${name}=${encodeURIComponent(value.toWellFormed())}`;
        if (chance(0.05)) return [pair, pair];
        return [`${name}=${chance(0.15) ? escaped(nastyText()) : escaped(value)}`];
      });
    if (chance(0.05))
      pairs.push(pick(["__proto__=1", "constructor[prototype]=1", "=", "a[]=1", "%=%", "&&&", "x=%E0%A4%A"]));
    return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
  }

  const escaped = (text: string): string =>
    chance(0.05) ? pick(MALFORMED) : encodeURIComponent(text.toWellFormed().slice(0, 1_000));

  function bodyOf({ requestBody }: Operation): Pick<WireRequest, "headers" | "body"> {
    const contents = Object.entries(requestBody?.content ?? {});
    const content = contents.length === 0 ? undefined : pick(contents);
    // One that takes none gets one now and then all the same.
    if (content === undefined)
      return chance(0.95) ? {} : { headers: { "content-type": "application/json" }, body: "{" };
    const [mediaType, { schema }] = content;
    if (mediaType === ZIP) return { headers: headersOf(ZIP), body: zipBody() };
    const one = (): string => {
      const value = valueOf(schema);
      return JSON.stringify(chance(0.5) ? value : broken(value));
    };
    const text = mediaType === LINES ? Array.from({ length: upTo(5) }, one).join("\n") : one();
    return { headers: headersOf(mediaType), body: chance(0.9) ? text : brokenText(text) };
  }

  /** A package as it should be, a hostile one, or either of them cut or with some bytes changed. */
  function zipBody(): Uint8Array {
    const zip = Buffer.from(chance(0.6) ? pick(zips.sound) : pick(zips.hostile));
    if (chance(0.6)) return zip;
    if (chance(0.5)) return zip.subarray(0, upTo(zip.length));
    for (let changes = 1 + upTo(4); changes > 0 && zip.length > 0; changes--) zip[upTo(zip.length - 1)] = upTo(255);
    return zip;
  }

  const headersOf = (mediaType: string): Record<string, string> => ({
    "content-type": chance(0.9) ? mediaType : pick(MEDIA_TYPES),
    ...(chance(0.1) && { "idempotency-key": pick(["a", "b", "a b", "", "\u00e9", "x".repeat(300)]) }),
    ...(chance(0.03) && { "content-encoding": pick(["gzip", "br", "identity", "nonsense"]) }),
    ...(chance(0.03) && { "if-none-match": pick(["*", '""', 'W/"1-2"', "x".repeat(2_000)]) }),
    ...(chance(0.03) && { accept: pick(["text/html", "*/*;q=0", "nonsense", ""]) }),
  });

  function brokenText(text: string): string | Uint8Array {
    const bytes = Buffer.from(text);
    const at = upTo(bytes.length);
    return pick<() => string | Uint8Array>([
      () => bytes.subarray(0, at),
      () => Buffer.concat([bytes.subarray(0, at), Buffer.from([0xff, 0xfe, 0xc0]), bytes.subarray(at)]),
      () => `\ufeff${text}`,
      () => `${text}${text}`,
      () => `{"a":`.repeat(5_000),
      () => `${"[".repeat(30_000)}${"]".repeat(30_000)}`,
      () => `{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},${text.slice(1)}`,
      () => "",
      () => "null",
    ])();
  }

  return {
    next(): Generated {
      const operation = pick(operations);
      const method = (chance(0.97) ? operation.method : pick(METHODS)).toUpperCase();
      const request = { method, path: pathOf(operation) + queryOf(operation), ...bodyOf(operation) };
      // It goes on for as long as the client reads.
      const isEndless = operation.responses["200"]?.content?.[EVENT_STREAM] !== undefined;
      return { operation, request: isEndless ? { ...request, firstPieceOnly: true } : request };
    },
  };
}

const EVENT_STREAM = "text/event-stream";

interface NumberSchema extends JsonSchema {
  readonly minimum?: number;
  readonly maximum?: number;
}

const deep = (levels: number): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = { a: value };
  return value;
};

const LETTERS = ["a", "Z", "0", "-", "_", ".", " ", "é", "ß", "漢", "😀", "'", '"', "\\", "/", "<", "&", "\u00a0"];

/** Functions make values too large to keep. */
const NASTY: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1.5,
  1e308,
  -1e-308,
  Number.MAX_SAFE_INTEGER,
  "",
  " ",
  "null",
  "NaN",
  "__proto__",
  "constructor",
  "../../etc/passwd",
  "..%2f..",
  "a'; DROP TABLE jobs--",
  "' or '1' eq '1",
  "${jndi:ldap://x}",
  "<script>alert(1)</script>",
  "\u0000",
  "a\u0000b",
  "\r\nx-injected: 1",
  "\ud800",
  "\udc00\ud800",
  "\u202eevil",
  "e\u0301".repeat(50),
  "👨‍👩‍👧‍👦".repeat(60),
  "٣",
  "-0",
  "1e3",
  "0x10",
  [],
  {},
  [[[]]],
  { __proto__: null, toString: 1, valueOf: 2 },
  JSON.parse('{"__proto__":{"polluted":1}}'),
  () => "x".repeat(20_000),
  () => Array.from({ length: 2_000 }, (_, i) => i),
  () => deep(63),
  () => deep(70),
  () => deep(2_000),
];

const KEYS = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "",
  "a.b",
  "jobs[0]",
  "é",
  "x".repeat(300),
];
const MALFORMED = [
  "%",
  "%E0%A4%A",
  "%zz",
  "%00",
  "%2f",
  "%2e%2e%2f%2e%2e",
  "..",
  "%ff",
  "%C0%AF",
  "%ED%A0%80",
  "%0d%0a",
  "~",
  "$",
  ";",
  ":",
];
/** Its schema is that of each line. */
const LINES = "application/x-ndjson";
const ZIP = "application/zip";
const MEDIA_TYPES = [
  "text/plain",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=x",
  "application/json; charset=utf-16",
  "application/json; charset=nonsense",
  "application/problem+json",
  "application/*",
  "nonsense",
  "",
];
const METHODS = ["get", "put", "patch", "delete", "post", "options", "head", "trace", "propfind"];
const INSTANTS = [
  "2030-01-31T08:00:00Z",
  "2030-02-30T08:00:00Z",
  "0001-01-01T00:00:00Z",
  "9999-12-31T23:59:59.999999999+23:59",
  "2024-02-29T24:00:00Z",
  "2016-12-31T23:59:60Z",
];
