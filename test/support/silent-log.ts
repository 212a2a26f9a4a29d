import type { Logger } from "../../runtime/core/logger.ts";

/** A logger for tests that do not read the log. */
export const silentLog: Logger = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};
