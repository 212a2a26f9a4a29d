/**
 * Spans of the system, and the trace contexts that connect them across processes as W3C `traceparent` texts. Spans never
 * hold parameters, outputs, tokens or messages of errors.
 */
import {
  type Attributes,
  type Context,
  type Link,
  type Span,
  type SpanContext,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  context,
  isSpanContextValid,
  trace,
} from "@opentelemetry/api";

export type { Span } from "@opentelemetry/api";

export interface SpanOptions {
  /** Default: internal. */
  readonly kind?: keyof typeof SpanKind | undefined;
  /** A `traceparent` from elsewhere; `null` or an invalid text: none, a new trace starts. Default: the span that is active. */
  readonly parent?: string | null | undefined;
  /** The `traceparent` of each span that led to this one, without being its parent. */
  readonly links?: readonly (string | undefined)[] | undefined;
  readonly attributes?: Attributes | undefined;
}

const TRACEPARENT = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:-.*)?$/;
const TRACEPARENT_MAX_LENGTH = 128;
/** Only a later version may have more. */
const VERSION_0_LENGTH = 55;

/** Asked for at each span, because a tracer stays with the provider that there was at its first span. */
const tracer = () => trace.getTracer("jobyard");

/** Runs the work as a span, which is active in it. A work that throws makes it a failed one. */
export function inSpan<T>(name: string, options: SpanOptions, work: (span: Span) => Promise<T>): Promise<T> {
  const within = parentOf(options.parent);
  const span = startSpan(name, options, within);
  return context.with(trace.setSpan(within, span), async () => {
    try {
      return await work(span);
    } catch (error) {
      failSpan(span, nameOf(error));
      throw error;
    } finally {
      span.end();
    }
  });
}

/** A span that is ended by whoever asked for it. */
export function startSpan(name: string, options: SpanOptions, within = parentOf(options.parent)): Span {
  const { kind = "INTERNAL", links = [], attributes = {} } = options;
  return tracer().startSpan(name, { kind: SpanKind[kind], links: links.flatMap(linkTo), attributes }, within);
}

/** Runs the work with the span as the active one. */
export const withSpan = <T>(span: Span, work: () => T): T => context.with(trace.setSpan(context.active(), span), work);

/** Adds a link to a span of an earlier attempt. */
export function linkSpan(span: Span, traceparent: string | undefined): void {
  span.addLinks(linkTo(traceparent));
}

/** Marks the span as failed. `type` is a code or the name of an error class, never its message. */
export function failSpan(span: Span, type: string): void {
  span.setAttribute("error.type", type);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** The `traceparent` of the span, or of the one that is active. Undefined: there is none. */
export function traceparentOf(span: Span | undefined = trace.getActiveSpan()): string | undefined {
  const facts = span?.spanContext();
  if (facts === undefined || !isSpanContextValid(facts)) return undefined;
  return `00-${facts.traceId}-${facts.spanId}-${facts.traceFlags.toString(16).padStart(2, "0")}`;
}

function parentOf(parent: string | null | undefined): Context {
  if (parent === null) return ROOT_CONTEXT;
  if (parent === undefined) return context.active();
  const facts = spanContextOf(parent);
  return facts === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, facts);
}

function linkTo(traceparent: string | undefined): Link[] {
  const facts = traceparent === undefined ? undefined : spanContextOf(traceparent);
  return facts === undefined ? [] : [{ context: facts }];
}

function spanContextOf(traceparent: string): SpanContext | undefined {
  if (traceparent.length > TRACEPARENT_MAX_LENGTH || traceparent.startsWith("ff")) return undefined;
  if (traceparent.startsWith("00") && traceparent.length !== VERSION_0_LENGTH) return undefined;
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  const facts = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
  return isSpanContextValid(facts) ? facts : undefined;
}

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
