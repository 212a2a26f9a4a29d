/** Reads the JSON a command is given: as an option, from a file, or from standard input. */
import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { messageOf } from "../core/errors.ts";
import { parseJson } from "../core/parse-json.ts";
import { UsageError } from "./exit-codes.ts";
import type { Surroundings } from "./terminal.ts";

/** The value of `--parameters`: any JSON, or `@file`. Throws UsageError. */
export async function parametersIn(given: string, around: Pick<Surroundings, "input">): Promise<unknown> {
  return given.startsWith("@") ? await jsonIn(given.slice(1), around) : parse(given, "--parameters");
}

/** `-` is standard input. Throws UsageError. */
export const jsonIn = async (file: string, { input }: Pick<Surroundings, "input">): Promise<unknown> =>
  file === "-" ? parse(await buffer(input), "Standard input") : parse(await readFile(file), file);

function parse(source: Uint8Array | string, where: string): unknown {
  try {
    return parseJson(source);
  } catch (error) {
    throw new UsageError(`${where} ${messageOf(error)}`);
  }
}
