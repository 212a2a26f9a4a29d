/** Gives the lines of the log to telemetry, as OpenTelemetry's records: severity, body, attributes. */
import { type AnyValueMap, type Logger, SeverityNumber } from "@opentelemetry/api-logs";

const SEVERITY: Readonly<Record<string, SeverityNumber>> = {
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
};

/** Of the process, in the resource of all its records; the rest is what a record has a place for. */
const ELSEWHERE = ["level", "time", "msg", "service", "version", "instance", "pool", "trace_id", "span_id", "err"];

/**
 * Takes lines as they were written, so that what leaves is without secrets, too. The record belongs to the span that is
 * active when its line is written.
 */
export const shipTo =
  (sink: Pick<Logger, "emit">) =>
  (line: string): void => {
    const fields = JSON.parse(line) as AnyValueMap & { readonly time: string; readonly level: string };
    sink.emit({
      timestamp: new Date(fields.time),
      severityNumber: SEVERITY[fields.level] ?? SeverityNumber.UNSPECIFIED,
      severityText: fields.level,
      body: fields["msg"],
      attributes: {
        ...Object.fromEntries(Object.entries(fields).filter(([name]) => !ELSEWHERE.includes(name))),
        ...exceptionOf(fields["err"] as Partial<Record<string, string>> | undefined),
      },
    });
  };

/** By the semantic conventions, so that Azure Monitor and others show it as an exception. */
const exceptionOf = (err: Partial<Record<string, string>> | string | undefined): AnyValueMap =>
  err === undefined
    ? {}
    : typeof err === "string"
      ? { "exception.message": err }
      : { "exception.type": err["type"], "exception.message": err["message"], "exception.stacktrace": err["stack"] };
