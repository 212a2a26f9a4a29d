/** The program's log: one JSON object a line on standard output. */
import { pino, stdTimeFunctions } from "pino";
import type { Logger } from "../core/logger.ts";
import type { LogLevel } from "../core/settings/process.ts";

export const createLogger = (program: string, level: LogLevel): Logger =>
  pino({ level, base: { program }, timestamp: stdTimeFunctions.isoTime });
