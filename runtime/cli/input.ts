/** Reads the files and JSON of a command line. An unreadable file is a usage error with a clear message. */
import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { messageOf } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { UsageError } from "./exit-codes.ts";
import type { Surroundings } from "./terminal.ts";

/** Throws UsageError. */
export async function readInput(file: string): Promise<Buffer<ArrayBuffer>> {
  try {
    return await readFile(file);
  } catch (error) {
    throw unreadable(file, error);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "File not found:",
  EISDIR: "This is a directory, not a file:",
  EACCES: "No permission to read",
};

export function unreadable(file: string, error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const reason = REASONS[code];
  return reason === undefined ? error : new UsageError(`${reason} ${file}.`);
}

/** The value of `--parameters`: any JSON, or `@file`. Throws UsageError. */
export async function parametersIn(given: string, around: Pick<Surroundings, "input">): Promise<unknown> {
  return given.startsWith("@") ? await jsonIn(given.slice(1), around) : parse(given, "--parameters");
}

/** The JSON in a file. `-` is standard input. Throws UsageError. */
export const jsonIn = async (file: string, { input }: Pick<Surroundings, "input">): Promise<unknown> =>
  file === "-" ? parse(await buffer(input), "Standard input") : parse(await readInput(file), file);

function parse(source: Uint8Array | string, where: string): unknown {
  try {
    return parseJson(source);
  } catch (error) {
    throw new UsageError(`${where} ${messageOf(error)}`);
  }
}

export interface StartOptions {
  readonly delay?: number;
  readonly at?: string;
}

/** When a job may start, from `--delay` or `--at`. Neither: nothing. Throws UsageError. */
export function startIn({ delay, at }: StartOptions): { readonly runAt?: string; readonly delayMs?: number } {
  if (delay !== undefined && at !== undefined) throw new UsageError("--delay and --at exclude each other.");
  if (at !== undefined) return { runAt: instantIn("--at", at) };
  return delay === undefined ? {} : { delayMs: delay * 1_000 };
}

/** With a time zone, because a time without one differs between machines. */
export const isInstant = (text: string): boolean =>
  /^\d{4}-\d\d-\d\dT\d\d:\d\d.*(?:Z|[+-]\d\d:\d\d)$/i.test(text) && !Number.isNaN(Date.parse(text));

/** Throws UsageError that names the option. */
function instantIn(option: string, text: string): string {
  if (isInstant(text)) return new Date(text).toISOString();
  throw new UsageError(
    `${option} ${text}: expected an instant with a time zone, such as 2030-01-31T08:00:00Z or 2030-01-31T09:00:00+01:00.`,
  );
}
