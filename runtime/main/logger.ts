/**
 * The program's log: one JSON object in each line of standard output. Everything that all lines have in common is made here:
 * level as a word, names of the process, fields of the running work, limits, and no secrets. docs/logs.md lists the fields.
 */
import { pino, stdSerializers, stdTimeFunctions, type DestinationStream } from "pino";
import type { Logger } from "../core/logger.ts";
import type { LogLevel } from "../core/settings/service-settings.ts";
import { currentLogFields } from "../platform/log-context.ts";
import { redact } from "./redact.ts";

export interface LoggerOptions {
  readonly level: LogLevel;
  /** What the program is, such as `jobyard-api`. */
  readonly service: string;
  /** Of the code. */
  readonly version: string;
  /** This process among those of its service. */
  readonly instance: string;
  /** Of a worker. */
  readonly pool?: string;
  /** Gets each line after it was written, without secrets. Must not throw. */
  readonly onLine?: (line: string) => void;
  /** Default: standard output, written at once, so that no line is lost when the process exits. */
  readonly destination?: DestinationStream;
}

/** Longer texts are cut. A stack of several causes fits. */
const TEXT_MAX_LENGTH = 8_000;
/** Items of a list in a line. */
const ITEMS_MAX_COUNT = 20;

export function createLogger({ level, onLine, destination, ...names }: LoggerOptions): Logger {
  const options = {
    level,
    base: names,
    timestamp: stdTimeFunctions.isoTime,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: Record<string, unknown>) =>
        Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, bounded(value)])),
    },
    serializers: { err: errorFields },
    mixin: () => ({ ...currentLogFields() }),
    hooks: {
      streamWrite(line: string) {
        const safe = redact(line);
        onLine?.(safe);
        return safe;
      },
    },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** Not the error's other properties: SDKs keep requests and responses there. Message and stack include its causes. */
function errorFields(error: unknown): unknown {
  if (!(error instanceof Error)) return bounded(String(error));
  const { type, message, stack } = stdSerializers.err(error);
  const code: unknown = "code" in error ? error.code : undefined;
  return {
    type,
    message: bounded(message),
    ...((typeof code === "string" || typeof code === "number") && { code }),
    stack: bounded(stack),
  };
}

function bounded(value: unknown): unknown {
  if (typeof value === "string" && value.length > TEXT_MAX_LENGTH) return `${value.slice(0, TEXT_MAX_LENGTH)}…`;
  if (!Array.isArray(value)) return value;
  const items = value.slice(0, ITEMS_MAX_COUNT).map(bounded);
  return value.length > ITEMS_MAX_COUNT ? [...items, `… ${value.length - ITEMS_MAX_COUNT} more`] : items;
}
