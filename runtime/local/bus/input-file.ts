/** Reads the JSON files that configure the bus. */
import { readFileSync } from "node:fs";
import type { z } from "zod";

/** The file cannot be used. The message is one sentence for the person who wrote it. */
export class InputFileError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "InputFileError";
  }
}

/**
 * @param what names the file in errors, such as "topology file".
 * @throws InputFileError when the file cannot be read or does not match the schema. The message names every wrong field.
 */
export function readInputFile<Schema extends z.ZodType>(what: string, path: string, schema: Schema): z.output<Schema> {
  const parsed = schema.safeParse(readJsonFile(what, path));
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => {
    const place = issue.path.length > 0 ? `at ${issue.path.join(".")}: ` : "";
    return `${place}${issue.message}`;
  });
  throw new InputFileError(`The ${what} ${path} is not valid: ${issues.join("; ")}.`);
}

function readJsonFile(what: string, path: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path)));
  } catch (error) {
    throw new InputFileError(`The ${what} ${path} cannot be read: ${(error as Error).message}.`, { cause: error });
  }
}
