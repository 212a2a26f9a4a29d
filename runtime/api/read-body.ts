/** Reads the JSON of a request: UTF-8, safe to walk, and without numbers that would change. */
import type { Request } from "express";
import { type ErrorDetail, InvalidRequestError } from "../core/errors.ts";
import { JsonError, type JsonReading, readJson } from "../core/parse-json.ts";
import { checkJson } from "./validate.ts";

/**
 * Undefined for an empty body. `itemsOf`: a list whose items are judged alone; one with numbers that would change becomes
 * an InvalidRequestError. Throws InvalidRequestError.
 */
export function readBody(request: Request, itemsOf?: string): unknown {
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

/** The one value of a text. `name`: what the text is called in errors. Throws InvalidRequestError. */
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

/** `name`: what a problem is about that concerns no single field. */
function refusal(problems: readonly ErrorDetail[], name: string): InvalidRequestError {
  const details = problems.map(({ target, message }) => ({ target: target === "" ? name : target, message }));
  const [first] = details;
  return new InvalidRequestError("InvalidRequest", `${first?.target}: ${first?.message}`, { details });
}

/** The place of the item that a field belongs to; undefined if it belongs to none. */
function itemOf({ target }: ErrorDetail, list: string): number | undefined {
  const rest = target.startsWith(`${list}[`) ? target.slice(list.length + 1) : "";
  const place = /^[0-9]+(?=\])/.exec(rest)?.[0];
  return place === undefined ? undefined : Number(place);
}
