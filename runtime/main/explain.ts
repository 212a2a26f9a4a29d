/** The message when a program cannot start: one sentence for what a person can fix, a stack for the rest. */
import { isSystemError } from "../core/errors.ts";
import { SettingsError } from "../core/settings/environment.ts";
import { FolderInUseError } from "../platform/own-folder.ts";
import { missingModule } from "./missing-module.mjs";

interface SystemFault {
  readonly code: string;
  readonly address?: string;
  readonly port?: number;
  readonly path?: string;
}

const isSystemFault = (error: unknown): error is SystemFault =>
  error instanceof Error && "code" in error && typeof error.code === "string";

export function explain(error: unknown): string {
  if (error instanceof SettingsError || error instanceof FolderInUseError || isSystemError(error)) return error.message;
  const missing = missingModule(error);
  if (missing !== undefined) return missing;
  if (isSystemFault(error)) {
    if (error.code.startsWith("ERR_PARSE_ARGS") && error instanceof Error) return error.message;
    const place = error.port === undefined ? (error.path ?? "") : `${error.address ?? ""}:${error.port}`;
    switch (error.code) {
      case "EADDRINUSE":
        return `Port ${error.port ?? ""} is used by another program.`;
      case "EACCES":
      case "EPERM":
        return `No permission for ${place}.`;
      case "EROFS":
        return `${place} is on a read-only file system.`;
      case "ENOSPC":
        return "The disk is full.";
      case "ENOTDIR":
      case "EEXIST":
        return `${place} is not a folder.`;
    }
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
