/**
 * How a request is read: which media types of body an operation takes, and how each part is checked by its schema. A body
 * of another media type is refused unread.
 */
import express, { type Request, type RequestHandler } from "express";
import type * as z from "zod";
import { type ErrorDetail, InvalidRequestError, isSystemError } from "../../core/errors.ts";
import { JsonError, type JsonReading, readJson, showFieldPath } from "../../core/json.ts";
import { JSON_MAX_DEPTH, REQUEST_BODY_MAX_BYTES } from "../../core/limits.ts";
import { showUnknown } from "../../core/text.ts";

/** The kinds of body an operation takes. `T` is what its handler gets. */
export interface RequestBody<T> {
  readonly kinds: readonly BodyKind[];
  /** True: a request without a body is refused. False: no body stands for `{}`. */
  readonly required: boolean;
  /** Never set: carries the type. */
  readonly type?: T;
}

export interface BodyKind {
  readonly mediaType: string;
  readonly description: string;
  /** A body whose Content-Length is larger is refused unread. */
  readonly maxBytes: number;
  /** For the document. Undefined: bytes. */
  readonly schema: z.ZodType | undefined;
  /** Reads and checks the body. Throws InvalidRequestError. */
  read(request: Request): unknown;
  /** Middleware that must run before `read`. */
  readonly parser: RequestHandler | undefined;
}

export interface JsonOptions {
  /** Default true. */
  readonly required?: boolean;
  /** For the document, when it says more than the schema checks. Default: the schema. */
  readonly shown?: z.ZodType;
  /** A list in the body whose items are checked one by one. An item that cannot be read becomes its error. */
  readonly itemsOf?: string;
}

/** Compressed bodies are refused: a small body could unpack to a huge one. */
const readBytes = express.raw({ type: () => true, limit: REQUEST_BODY_MAX_BYTES, inflate: false });

/** A JSON object, checked by the schema. */
export function jsonBody<T>(
  schema: z.ZodType<T>,
  { required = true, shown = schema, itemsOf }: JsonOptions = {},
): RequestBody<T> {
  const json: BodyKind = {
    mediaType: "application/json",
    description: `At most ${REQUEST_BODY_MAX_BYTES / (1024 * 1024)} MiB of JSON in UTF-8.`,
    maxBytes: REQUEST_BODY_MAX_BYTES,
    schema: shown,
    parser: readBytes,
    // No body stands for an object without fields, unless one is required.
    read: (request) => validate(schema, readBody(request, itemsOf) ?? (required ? undefined : {})),
  };
  return { kinds: [json], required };
}

/** One of two kinds, chosen by the request. */
export const eitherBody = <A, B>(one: RequestBody<A>, other: RequestBody<B>): RequestBody<A | B> => ({
  kinds: [...one.kinds, ...other.kinds],
  required: one.required && other.required,
});

export interface StreamOptions {
  readonly mediaType: string;
  readonly description: string;
  readonly maxBytes: number;
  /** Of each line, when the bytes are lines. */
  readonly lines?: z.ZodType;
}

/** Bytes as they come. The stream throws PayloadTooLarge beyond `maxBytes`. */
export function streamBody({
  mediaType,
  description,
  maxBytes,
  lines,
}: StreamOptions): RequestBody<AsyncIterable<Uint8Array>> {
  const stream: BodyKind = {
    mediaType,
    description,
    maxBytes,
    schema: lines,
    parser: undefined,
    read: (request) => upTo(request, maxBytes),
  };
  return { kinds: [stream], required: true };
}

async function* upTo(chunks: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  try {
    for await (const chunk of chunks) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      yield chunk;
    }
  } catch (error) {
    // The connection broke, so the last chunk may be incomplete.
    throw isSystemError(error) ? error : new InvalidRequestError("InvalidRequest", "The body ended early.");
  }
}

const tooLarge = (maxBytes: number): InvalidRequestError =>
  new InvalidRequestError("PayloadTooLarge", `The body is larger than ${maxBytes} bytes.`);

/** The kind of this request's body. Undefined: it has none. Throws UnsupportedMediaType, PayloadTooLarge. */
export function kindOf(request: Request, kinds: readonly BodyKind[]): BodyKind | undefined {
  const { "content-length": length, "transfer-encoding": transfer } = request.headers;
  if ((length === undefined || length === "0") && transfer === undefined) return undefined;
  // A body must have a media type: browsers then send a preflight request across origins.
  const kind = kinds.find(({ mediaType }) => request.is(mediaType) !== false);
  if (kind !== undefined) {
    if (Number(length ?? 0) > kind.maxBytes) throw tooLarge(kind.maxBytes);
    return kind;
  }
  const names = kinds.map(({ mediaType }) => mediaType).join(" or ");
  throw new InvalidRequestError("UnsupportedMediaType", `The body must be ${names}.`);
}

// --- JSON: UTF-8, safe to walk, without numbers that would change ------------------------------------------------------

/**
 * Undefined for an empty body. `itemsOf`: a list whose items are checked one by one; an item with numbers that would change
 * becomes an InvalidRequestError. Throws InvalidRequestError.
 */
function readBody(request: Request, itemsOf?: string): unknown {
  const bytes: unknown = request.body;
  if (!(bytes instanceof Uint8Array) || bytes.byteLength === 0) return undefined;
  const charset = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(request.get("content-type") ?? "")?.[1] ?? "utf-8";
  if (!/^utf-?8$/i.test(charset)) {
    throw new InvalidRequestError("UnsupportedMediaType", "The body must be JSON in UTF-8, not compressed.");
  }
  const { value, problems } = read(bytes, "body");
  const byItem = Map.groupBy(problems, (problem) => (itemsOf === undefined ? undefined : itemOf(problem, itemsOf)));
  for (const [index, ofItem] of byItem) {
    if (itemsOf === undefined || index === undefined) throw refusal(ofItem, "body");
    const list = (value as Record<string, unknown[]>)[itemsOf];
    list?.splice(index, 1, refusal(ofItem, itemsOf));
  }
  return value;
}

/** The value of a JSON text. `name`: the text's name in errors. Throws InvalidRequestError. */
export function readWhole(bytes: Uint8Array, name: string): unknown {
  const { value, problems } = read(bytes, name);
  if (problems.length > 0) throw refusal(problems, name);
  return value;
}

function read(bytes: Uint8Array, name: string): JsonReading {
  try {
    const reading = readJson(bytes);
    checkJson(reading.value);
    return reading;
  } catch (error) {
    throw error instanceof JsonError ? refusal(error.problems, name) : error;
  }
}

/** `name`: the target of a problem that is not about one field. */
function refusal(problems: readonly ErrorDetail[], name: string): InvalidRequestError {
  const details = problems.map(({ target, message }) => ({ target: target === "" ? name : target, message }));
  const [first] = details;
  return new InvalidRequestError("InvalidRequest", `${first?.target}: ${first?.message}`, { details });
}

/** The index of the item that a field belongs to. Undefined: none. */
function itemOf({ target }: ErrorDetail, list: string): number | undefined {
  const rest = target.startsWith(`${list}[`) ? target.slice(list.length + 1) : "";
  const place = /^[0-9]+(?=\])/.exec(rest)?.[0];
  return place === undefined ? undefined : Number(place);
}

/** Names with a meaning for every object. Code that copies fields must never meet them as data. */
const PROTOTYPE_KEYS: readonly string[] = ["__proto__", "constructor"];

/**
 * Refuses JSON that is dangerous to code which walks it: nested so deeply that it could overflow a stack, or with fields
 * that could reach a prototype. Iterative, so that it is not such code itself.
 */
function checkJson(value: unknown): void {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > JSON_MAX_DEPTH) {
      throw new InvalidRequestError("InvalidRequest", `The body is nested deeper than ${JSON_MAX_DEPTH} levels.`);
    }
    level = level.flatMap((item) => {
      if (typeof item !== "object" || item === null) return [];
      const key = PROTOTYPE_KEYS.find((name) => Object.hasOwn(item, name));
      if (key !== undefined) {
        throw new InvalidRequestError("InvalidRequest", `The body has a field named ${key}, which is not allowed.`);
      }
      return Object.values(item as Record<string, unknown>);
    });
  }
}

// --- Schemas ------------------------------------------------------------------------------------------------------------

/** Enough to repair a request. */
const DETAILS_MAX_COUNT = 20;

/** Throws one InvalidRequestError that names every wrong field. `at`: the value's place, put before each field's path. */
export function validate<T>(schema: z.ZodType<T>, value: unknown, at = ""): T {
  const parsed = schema.safeParse(value, { error: unknownFields });
  if (parsed.success) return parsed.data;
  const details = parsed.error.issues.slice(0, DETAILS_MAX_COUNT).map((issue) => detailOf(issue, at));
  const [first] = details;
  const message = first === undefined ? "The request is invalid." : `${first.target}: ${first.message}`;
  throw new InvalidRequestError("InvalidRequest", message, { details });
}

/** Undefined: the usual message. */
function unknownFields(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== "unrecognized_keys") return undefined;
  const { shape } = issue.inst?._zod.def as { readonly shape?: object };
  return `must have known fields only, not ${showUnknown(issue.keys, Object.keys(shape ?? {}))}`;
}

function detailOf(issue: z.core.$ZodIssue, at: string): ErrorDetail {
  const path = showFieldPath(issue.path, at);
  return { target: path === "" ? "body" : path, message: issue.message };
}
