/** Makes the JSON text that is kept of what a job's `run` returned. Values that JSON would lose are refused. */
import { writeJson } from "../../../core/json.ts";
import { OUTPUT_MAX_BYTES } from "../../../core/limits.ts";
import type { HostFailureCode } from "./messages.ts";

export type WrittenOutput =
  { readonly output: string | undefined } | { readonly code: HostFailureCode; readonly message: string };

/** `result`: nothing, or an object with or without `output`. */
export function writeOutput(result: unknown): WrittenOutput {
  let output: string | undefined;
  try {
    const stray = strayIn(result);
    if (stray !== undefined) {
      return { code: "JobFailed", message: `run returned ${stray}; a result is returned as { output: … }.` };
    }
    output = writeJson((result as { readonly output?: unknown } | null | undefined)?.output);
  } catch (error) {
    return { code: "JobFailed", message: `The output ${error instanceof Error ? error.message : "cannot be read"}.` };
  }
  const bytes = Buffer.byteLength(output ?? "");
  if (bytes > OUTPUT_MAX_BYTES) {
    return {
      code: "OutputTooLarge",
      message: `The output is ${bytes} bytes of JSON; at most ${OUTPUT_MAX_BYTES} are kept. Write large results to files below outputPath.`,
    };
  }
  return { output };
}

const FIELDS_SHOWN = 5;

/** What was returned that would be lost; undefined if it is a result. */
function strayIn(result: unknown): string | undefined {
  if (result === undefined || result === null) return undefined;
  if (typeof result !== "object") return `a ${typeof result}`;
  if (Array.isArray(result)) return "a list";
  const others = Object.keys(result).filter((name) => name !== "output");
  if (others.length > 0) {
    const shown = others.slice(0, FIELDS_SHOWN).map((name) => JSON.stringify(name));
    return `an object with ${shown.join(", ")}${others.length > FIELDS_SHOWN ? " and more" : ""}`;
  }
  // A Map, a Date and an Error have no fields of their own either.
  const kind = Object.prototype.toString.call(result).slice("[object ".length, -1);
  return kind === "Object" ? undefined : `a value of type ${kind}`;
}
