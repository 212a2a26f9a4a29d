/**
 * The program's log: one JSON object in each line of standard output. Everything that all lines have in common is made here:
 * level as a word, names of the process, fields of the running work, limits, and no secrets. docs/logs.md lists the fields.
 */
import { isSpanContextValid, trace } from "@opentelemetry/api";
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
  readonly pool?: string | undefined;
  /** Gets each line after it was written, without secrets. Must not throw. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** Default: standard output, written at once, so that no line is lost when the process exits. */
  readonly destination?: DestinationStream;
}

/** Longer texts are cut. A stack of several causes fits. */
const TEXT_MAX_LENGTH = 8_000;
/** Items of a list, and fields of an object. */
const ITEMS_MAX_COUNT = 20;
/** Of objects and lists in each other. */
const DEPTH_MAX = 4;

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
    mixin: () => ({ ...currentLogFields(), ...activeSpan() }),
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

/** Under the names that OpenTelemetry has for them in a log. */
function activeSpan(): Readonly<Record<string, string>> {
  const span = trace.getActiveSpan()?.spanContext();
  return span !== undefined && isSpanContextValid(span) ? { trace_id: span.traceId, span_id: span.spanId } : {};
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

function bounded(value: unknown, depth = 0): unknown {
  if (typeof value === "string" && value.length > TEXT_MAX_LENGTH) return `${value.slice(0, TEXT_MAX_LENGTH)}…`;
  if (typeof value !== "object" || value === null || value instanceof Error || value instanceof Date) return value;
  if (depth === DEPTH_MAX) return "…";
  const inner = (item: unknown): unknown => bounded(item, depth + 1);
  if (Array.isArray(value)) {
    const items = value.slice(0, ITEMS_MAX_COUNT).map(inner);
    return value.length > ITEMS_MAX_COUNT ? [...items, `… ${value.length - ITEMS_MAX_COUNT} more`] : items;
  }
  const entries = Object.entries(value).slice(0, ITEMS_MAX_COUNT);
  return Object.fromEntries(entries.map(([name, item]) => [name, inner(item)]));
}
