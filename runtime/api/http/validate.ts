/** Turns outside values into typed ones, or into one error that names every wrong field. */
import type * as z from "zod";
import { showUnknown } from "../../core/text.ts";
import { InvalidRequestError, type ErrorDetail } from "../../core/errors.ts";
import { showFieldPath } from "../../core/json.ts";
import { JSON_MAX_DEPTH } from "../../core/limits.ts";

/** Enough to repair a request by; a thousand wrong fields need no thousand lines. */
const DETAILS_MAX_COUNT = 20;

/** `at`: where in the request the value lies, put before each field's path. */
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

/** Names that mean something to every object: code that copies fields must never meet them as data. */
const PROTOTYPE_KEYS: readonly string[] = ["__proto__", "constructor"];

/**
 * Refuses JSON that is dangerous to code which walks it: nested so deeply that it could overflow a stack, or with fields
 * that could reach a prototype. Iterative, so that it is not such code itself.
 */
export function checkJson(value: unknown): void {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > JSON_MAX_DEPTH) {
      throw new InvalidRequestError("InvalidRequest", `The body is nested deeper than ${JSON_MAX_DEPTH} levels.`);
    }
    level = level.flatMap((item) => {
      if (typeof item !== "object" || item === null) return [];
      const key = PROTOTYPE_KEYS.find((name) => Object.hasOwn(item, name));
      if (key !== undefined) {
        throw new InvalidRequestError("InvalidRequest", `The body has a field named ${key}, which no field may be.`);
      }
      return Object.values(item as Record<string, unknown>);
    });
  }
}
