/** Telemetry as OTLP writes it in JSON: bodies for tests of what receives them, and how a receiver of a test reads them. */

export type Values = Readonly<Record<string, string | number | boolean>>;

interface OtlpValue {
  readonly stringValue?: string;
  readonly intValue?: string | number;
  readonly doubleValue?: number;
  readonly boolValue?: boolean;
}

export type OtlpAttributes = readonly { readonly key: string; readonly value: OtlpValue }[];

/** Without lists and nested values, which nothing of ours sends. */
export const valuesOf = (attributes: OtlpAttributes = []): Values =>
  Object.fromEntries(
    attributes.flatMap(({ key, value: { stringValue, intValue, doubleValue, boolValue } }) => {
      const value = stringValue ?? (intValue === undefined ? (doubleValue ?? boolValue) : Number(intValue));
      return value === undefined ? [] : [[key, value] as const];
    }),
  );

const listed = (values: Values) =>
  Object.entries(values).map(([key, value]) => ({
    key,
    value:
      typeof value === "string"
        ? { stringValue: value }
        : typeof value === "number"
          ? { intValue: String(value) }
          : { boolValue: value },
  }));

const nanoseconds = (ms: number): string => String(BigInt(Math.round(ms * 1_000)) * 1_000n);
const idOf = (name: string, length: number): string => Buffer.from(name).toString("hex").padEnd(length, "0");

export const traceIdOf = (name: string): string => idOf(name, 32);
export const spanIdOf = (name: string): string => idOf(name, 16);

export interface SpanToSend {
  /** At most eight letters. Its id is made of them. */
  readonly id: string;
  readonly name?: string;
  readonly trace?: string;
  readonly parent?: string;
  readonly fromMs?: number;
  readonly toMs?: number;
  readonly attributes?: Values;
  readonly follows?: string;
  readonly error?: string;
  readonly thrown?: string;
}

export const tracesOf = (resource: Values, spans: readonly SpanToSend[]) => ({
  resourceSpans: [
    {
      resource: { attributes: listed(resource) },
      scopeSpans: [
        {
          spans: spans.map(({ id, name = id, trace = "trace", parent, fromMs = 0, toMs = fromMs, ...span }) => ({
            traceId: traceIdOf(trace),
            spanId: spanIdOf(id),
            ...(parent !== undefined && { parentSpanId: spanIdOf(parent) }),
            name,
            kind: 1,
            startTimeUnixNano: nanoseconds(fromMs),
            endTimeUnixNano: nanoseconds(toMs),
            attributes: listed(span.attributes ?? {}),
            links: span.follows === undefined ? [] : [{ traceId: traceIdOf(trace), spanId: spanIdOf(span.follows) }],
            events:
              span.thrown === undefined
                ? []
                : [{ name: "exception", attributes: listed({ "exception.message": span.thrown }) }],
            status:
              span.error === undefined && span.thrown === undefined
                ? { code: 0 }
                : { code: 2, ...(span.error !== undefined && { message: span.error }) },
          })),
        },
      ],
    },
  ],
});

export interface MetricToSend {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "histogram";
  readonly value?: number;
  readonly counts?: readonly number[];
  readonly bounds?: readonly number[];
  readonly attributes?: Values;
  readonly startMs?: number;
  /** Since the point before, not since `startMs`. */
  readonly isDelta?: true;
}

export const metricsOf = (resource: Values, metrics: readonly MetricToSend[]) => ({
  resourceMetrics: [
    {
      resource: { attributes: listed(resource) },
      scopeMetrics: [
        {
          metrics: metrics.map(({ name, kind, value, counts, bounds, attributes = {}, startMs = 0, isDelta }) => {
            const dataPoints = [
              {
                attributes: listed(attributes),
                startTimeUnixNano: nanoseconds(startMs),
                ...(value !== undefined && { asDouble: value }),
                ...(counts !== undefined && { bucketCounts: counts.map(String), explicitBounds: bounds ?? [] }),
              },
            ];
            const aggregationTemporality = isDelta ? 1 : 2;
            if (kind === "gauge") return { name, gauge: { dataPoints } };
            return { name, [kind === "counter" ? "sum" : "histogram"]: { dataPoints, aggregationTemporality } };
          }),
        },
      ],
    },
  ],
});
