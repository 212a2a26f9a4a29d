/** Turns what a job returned into the JSON text that is kept. */
import { OUTPUT_MAX_BYTES } from "../../../core/limits.ts";
import type { HostFailureCode } from "./messages.ts";

export type WrittenOutput =
  { readonly output: string | undefined } | { readonly code: HostFailureCode; readonly message: string };

/** Undefined for what JSON cannot express, such as a function. */
const jsonOf = (value: unknown): string | undefined => JSON.stringify(value);

/** `result` is what `run` returned: nothing, or an object with or without `output`. */
export function writeOutput(result: unknown): WrittenOutput {
  if (result === undefined || result === null) return { output: undefined };
  if (typeof result !== "object") {
    return { code: "JobFailed", message: `run returned a ${typeof result}; a result is returned as { output: … }.` };
  }
  let output: string | undefined;
  try {
    output = jsonOf((result as { readonly output?: unknown }).output);
  } catch (error) {
    return {
      code: "JobFailed",
      message: `The output cannot be written as JSON: ${error instanceof Error ? error.message : "it throws"}`,
    };
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
