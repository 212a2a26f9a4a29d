/**
 * Reads the JSON that OpenTelemetry exporters send (OTLP/HTTP): spans and points of metrics, reduced to what the commands
 * show. Fields that it does not know are ignored.
 */
import * as z from "zod";

/** A 64-bit number: a string by the standard, a number from some exporters. */
const integer = z.union([z.string().regex(/^-?\d{1,20}$/), z.number()]);
const value = z.object({
  stringValue: z.string().optional(),
  boolValue: z.boolean().optional(),
  intValue: integer.optional(),
  doubleValue: z.number().optional(),
});
const attributes = z.array(z.object({ key: z.string(), value })).default([]);
const resource = z.object({ attributes }).default({ attributes: [] });

const span = z.object({
  traceId: z.string().regex(/^[0-9a-f]{32}$/i),
  spanId: z.string().regex(/^[0-9a-f]{16}$/i),
  parentSpanId: z.string().optional(),
  name: z.string(),
  startTimeUnixNano: integer,
  endTimeUnixNano: integer,
  attributes,
  events: z.array(z.object({ name: z.string(), attributes })).default([]),
  links: z.array(z.object({ spanId: z.string() })).default([]),
  status: z.object({ code: z.number().optional(), message: z.string().optional() }).default({}),
});
const traces = z.object({
  resourceSpans: z
    .array(z.object({ resource, scopeSpans: z.array(z.object({ spans: z.array(span).default([]) })).default([]) }))
    .default([]),
});

const point = z.object({
  attributes,
  startTimeUnixNano: integer.default(0),
  asInt: integer.optional(),
  asDouble: z.number().optional(),
  bucketCounts: z.array(integer).default([]),
  explicitBounds: z.array(z.number()).default([]),
});
const points = z.object({ dataPoints: z.array(point).default([]), aggregationTemporality: z.number().optional() });
const metric = z.object({
  name: z.string(),
  gauge: points.optional(),
  sum: points.optional(),
  histogram: points.optional(),
});
const metrics = z.object({
  resourceMetrics: z
    .array(
      z.object({ resource, scopeMetrics: z.array(z.object({ metrics: z.array(metric).default([]) })).default([]) }),
    )
    .default([]),
});

type Attributes = Readonly<Record<string, string | number | boolean>>;

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  /** The process: its instance if it names one, else its service. */
  readonly service: string;
  /** Since 1970, with fractions. */
  readonly startMs: number;
  readonly durationMs: number;
  /** Only of a span that failed. */
  readonly error?: string;
  /** Ids of the spans that it follows. */
  readonly links: readonly string[];
  readonly attributes: Attributes;
}

export interface MetricPoint {
  readonly metric: string;
  /** The process that measured it. */
  readonly source: string;
  readonly attributes: Attributes;
  /** Since 1970: the start of the count. */
  readonly startMs: number;
  /** Whether it counts since `startMs`, not since the point before. */
  readonly isCumulative: boolean;
  /** Of a counter or gauge. */
  readonly value?: number;
  /** Of a histogram: counts by bucket. There is one bucket more than bounds. */
  readonly buckets?: { readonly bounds: readonly number[]; readonly counts: readonly number[] };
}

/** Longer texts are cut. */
const TEXT_MAX_LENGTH = 500;
/** Further attributes are left out. */
const ATTRIBUTES_MAX_COUNT = 40;
const LINKS_MAX_COUNT = 8;
const STATUS_ERROR = 2;
const CUMULATIVE = 2;

/** Throws ZodError for anything else than OTLP. */
export const readSpans = (body: unknown): readonly Span[] =>
  traces.parse(body).resourceSpans.flatMap(({ resource: from, scopeSpans }) => {
    const service = processOf(readAttributes(from.attributes)).name;
    return scopeSpans.flatMap(({ spans }) => spans.map((one) => spanOf(one, service)));
  });

function spanOf(one: z.infer<typeof span>, service: string): Span {
  const { parentSpanId, startTimeUnixNano, endTimeUnixNano, status, events, links } = one;
  const startMs = millisecondsOf(startTimeUnixNano);
  const known = readAttributes(one.attributes);
  const thrown = events.findLast(({ name }) => name === "exception");
  // Ours name the type alone, because messages may hold parameters.
  const { "exception.message": message = known["error.type"] ?? "failed" } = readAttributes(thrown?.attributes ?? []);
  return {
    traceId: one.traceId.toLowerCase(),
    spanId: one.spanId.toLowerCase(),
    ...(parentSpanId && { parentSpanId: parentSpanId.toLowerCase() }),
    name: cut(one.name),
    service,
    startMs,
    durationMs: Math.max(0, millisecondsOf(endTimeUnixNano) - startMs),
    ...(status.code === STATUS_ERROR && { error: cut(status.message || String(message)) }),
    links: links.slice(0, LINKS_MAX_COUNT).map(({ spanId }) => spanId.toLowerCase()),
    attributes: known,
  };
}

/** Throws ZodError for anything else than OTLP. */
export const readPoints = (body: unknown): readonly MetricPoint[] =>
  metrics.parse(body).resourceMetrics.flatMap(({ resource: from, scopeMetrics }) => {
    const source = processOf(readAttributes(from.attributes)).id;
    return scopeMetrics.flatMap((scope) => scope.metrics.flatMap((one) => pointsOf(one, source)));
  });

function pointsOf({ name, gauge, sum, histogram }: z.infer<typeof metric>, source: string): readonly MetricPoint[] {
  const given = gauge ?? sum ?? histogram;
  return (given?.dataPoints ?? []).map((one) => {
    const { asInt, asDouble, bucketCounts, explicitBounds } = one;
    return {
      metric: name,
      source,
      attributes: readAttributes(one.attributes),
      startMs: millisecondsOf(one.startTimeUnixNano),
      isCumulative: given?.aggregationTemporality === CUMULATIVE,
      ...(histogram === undefined
        ? { value: Number(asInt ?? asDouble ?? 0) }
        : { buckets: { bounds: explicitBounds, counts: bucketCounts.map(Number) } }),
    };
  });
}

function readAttributes(given: z.infer<typeof attributes>): Attributes {
  const read: Record<string, string | number | boolean> = {};
  for (const { key, value: one } of given.slice(0, ATTRIBUTES_MAX_COUNT)) {
    const { stringValue, boolValue, intValue, doubleValue } = one;
    const known = stringValue === undefined ? (boolValue ?? doubleValue ?? numberOf(intValue)) : cut(stringValue);
    // Lists and nested values are not shown.
    if (known !== undefined) read[cut(key)] = known;
  }
  return read;
}

function processOf(from: Attributes): { readonly name: string; readonly id: string } {
  const { "service.name": service = "unknown", "service.instance.id": instance } = from;
  // Other programs name instances by random ids, which say nothing to people.
  const isOurs = String(service).startsWith("jobyard");
  return {
    name: String(isOurs ? (instance ?? service) : service),
    id: `${String(service)}/${String(instance ?? "")}`,
  };
}

const numberOf = (text: string | number | undefined): number | undefined =>
  text === undefined ? undefined : Number(text);

/** Nanoseconds since 1970 do not fit a number exactly. Microseconds are enough. */
const millisecondsOf = (nanoseconds: string | number): number => Number(BigInt(nanoseconds) / 1_000n) / 1_000;

const cut = (text: string): string => (text.length > TEXT_MAX_LENGTH ? `${text.slice(0, TEXT_MAX_LENGTH)}…` : text);
