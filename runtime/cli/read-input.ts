/** Files that a command line names: what cannot be read is a mistake of the call, said in words. */
import { readFile } from "node:fs/promises";
import { UsageError } from "./exit-codes.ts";

/** Throws UsageError. */
export async function readInput(file: string): Promise<Buffer<ArrayBuffer>> {
  try {
    return await readFile(file);
  } catch (error) {
    throw unreadable(file, error);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "There is no file",
  EISDIR: "This is a directory, not a file:",
  EACCES: "You may not read",
};

export function unreadable(file: string, error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const reason = REASONS[code];
  return reason === undefined ? error : new UsageError(`${reason} ${file}.`);
}
