/** Converts a caller's value to JSON. A value that JSON would change or drop is refused before it is sent. */
import { JsonError, writeJson } from "../core/json.ts";
import { JobServiceError } from "./job-service-error.ts";

/** Throws InvalidRequest for a value that JSON cannot hold. Its `target` is the field. */
export function jsonText(value: unknown): string {
  try {
    return writeJson(value) ?? "null";
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const details = error.problems.map(({ target, message }) => ({ target: target === "" ? "body" : target, message }));
    const [first] = details;
    throw new JobServiceError("InvalidRequest", `${first?.target}: ${first?.message}; nothing was sent.`, {
      target: first?.target,
      details,
      cause: error,
    });
  }
}
