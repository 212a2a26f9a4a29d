/** Which errors an operation can answer with: its own, and those that follow from what it needs and takes. */
import { FORMAT_CODES, UNAVAILABLE_CODES, type ErrorCode } from "../core/errors.ts";
import { statusOf } from "./error-response.ts";
import type { Operation } from "./operation.ts";

/** Codes by status, both ascending. */
export function errorsOf(operation: Operation): ReadonlyMap<number, readonly ErrorCode[]> {
  const codes = new Set<ErrorCode>([...byRule(operation), ...operation.errors]);
  return Map.groupBy([...codes].toSorted(byStatus), statusOf);
}

const byStatus = (a: ErrorCode, b: ErrorCode): number => statusOf(a) - statusOf(b) || (a < b ? -1 : 1);

function byRule({ needs, params, query, headers, bodies }: Operation): readonly ErrorCode[] {
  const takesSomething = params ?? query ?? headers ?? bodies[0];
  return [
    ...(takesSomething === undefined ? [] : (["InvalidRequest"] as const)),
    ...(bodies.length === 0 ? [] : (["PayloadTooLarge", "UnsupportedMediaType"] as const)),
    // Who calls for more than knowing who it is may lack a role for it.
    ...(needs === "anonymous" ? [] : (["Unauthenticated"] as const)),
    ...(needs === "anonymous" || needs === "signed-in" ? [] : (["Forbidden"] as const)),
    // Whatever is served to somebody known is read from somewhere that can be away.
    ...(needs === "anonymous" ? [] : [...UNAVAILABLE_CODES, ...FORMAT_CODES]),
    "TooManyRequests",
    "InternalError",
  ];
}
