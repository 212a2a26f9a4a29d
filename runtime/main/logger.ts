/** The program's log: one JSON object in each line of standard output. */
import { pino, stdTimeFunctions } from "pino";
import type { Logger } from "../core/logger.ts";
import type { LogLevel } from "../core/settings/service-settings.ts";

export const createLogger = (program: string, level: LogLevel): Logger =>
  pino({ level, base: { program }, timestamp: stdTimeFunctions.isoTime });
