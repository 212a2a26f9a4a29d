/** The directory a namespace is kept in: made on first use, used by one process at a time, with its own access key. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FolderInUseError, ownFolder, type OwnedFolder, type OwnFolderOptions } from "../../platform/own-folder.ts";
import { JournalError } from "./journal/journal-error.ts";

/** @throws JournalError when it cannot be used, or another living process uses it. */
export async function openDataDirectory(options: OwnFolderOptions): Promise<OwnedFolder> {
  try {
    mkdirSync(options.directory, { recursive: true, mode: 0o700 });
    return await ownFolder(options);
  } catch (error) {
    const message =
      error instanceof FolderInUseError
        ? error.message
        : `The data directory ${options.directory} cannot be used: ${(error as Error).message}.`;
    throw new JournalError(message, { cause: error });
  }
}

/** The key kept in the directory, so that a connection string stays good over a restart; made when there is none. */
export function keptKey(directory: string): string {
  const path = join(directory, "sas-key");
  try {
    const kept = readFileSync(path, "utf8").trim();
    if (kept !== "") return kept;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const key = randomKey();
  writeFileSync(path, key, { mode: 0o600 });
  return key;
}

export const randomKey = (): string => randomBytes(32).toString("base64");
