/**
 * A collector that takes OTLP over HTTP as JSON, as the specification says, and keeps what it gets. A test can let it answer
 * as a collector that is ill.
 */
import { type LoopbackAnswer, startLoopbackServer } from "../network/loopback-server.ts";
import { type OtlpAttributes, type Values, valuesOf } from "./otlp.ts";

export interface SeenSpan {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly failed: boolean;
  /** Ids of the spans it links to. */
  readonly links: readonly string[];
  readonly attributes: Values;
}

export interface SeenLog {
  /** Attributes of the process. */
  readonly process: Values;
  readonly level: string;
  readonly text: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly attributes: Values;
}

export interface SeenPoint {
  readonly metric: string;
  readonly process: Values;
  readonly attributes: Values;
  /** Of a counter or gauge; of a histogram, how many values there are. */
  readonly value: number;
}

export interface OtlpReceiver extends AsyncDisposable {
  readonly url: string;
  readonly spans: readonly SeenSpan[];
  readonly logs: readonly SeenLog[];
  /** The points of the latest export of each process. */
  points(): readonly SeenPoint[];
  /** All that was received, headers included, as text. Also what was answered with an error. */
  received(): string;
}

/** `answer`: how it answers, by the path of a signal. "silence": never. Default: it accepts everything. */
export interface OtlpReceiverOptions {
  readonly answer?: (path: string) => Promise<LoopbackAnswer | "silence"> | LoopbackAnswer | "silence";
}

interface Resource {
  readonly resource: { readonly attributes: OtlpAttributes };
}

interface Body {
  readonly resourceSpans?: readonly (Resource & {
    readonly scopeSpans: readonly { readonly spans: readonly RawSpan[] }[];
  })[];
  readonly resourceLogs?: readonly (Resource & {
    readonly scopeLogs: readonly { readonly logRecords: readonly RawLog[] }[];
  })[];
  readonly resourceMetrics?: readonly (Resource & {
    readonly scopeMetrics: readonly { readonly metrics: readonly RawMetric[] }[];
  })[];
}

interface RawSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly status: { readonly code?: number };
  readonly links?: readonly { readonly spanId: string }[];
  readonly attributes?: OtlpAttributes;
}

interface RawLog {
  readonly severityText: string;
  readonly body: { readonly stringValue?: string };
  readonly traceId?: string;
  readonly spanId?: string;
  readonly attributes?: OtlpAttributes;
}

interface RawMetric extends Partial<
  Record<"sum" | "gauge" | "histogram", { readonly dataPoints: readonly RawPoint[] }>
> {
  readonly name: string;
}

interface RawPoint {
  readonly attributes?: OtlpAttributes;
  readonly asInt?: number | string;
  readonly asDouble?: number;
  readonly count?: number | string;
}

const STATUS_ERROR = 2;
const ACCEPTED: LoopbackAnswer = { status: 200, body: {} };

export async function startOtlpReceiver({ answer = () => ACCEPTED }: OtlpReceiverOptions = {}): Promise<OtlpReceiver> {
  const spans: SeenSpan[] = [];
  const logs: SeenLog[] = [];
  const points = new Map<string, readonly SeenPoint[]>();
  const requests: unknown[] = [];
  const server = await startLoopbackServer(({ url, headers, body }) => {
    requests.push({ url, headers, body });
    spans.push(...spansIn(body as Body));
    logs.push(...logsIn(body as Body));
    const exported = pointsIn(body as Body);
    // A body is of one process.
    if (exported[0] !== undefined) points.set(JSON.stringify(exported[0].process), exported);
    return answer(url.pathname);
  });
  return {
    url: server.url,
    spans,
    logs,
    points: () => [...points.values()].flat(),
    received: () => JSON.stringify(requests),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const spansIn = ({ resourceSpans = [] }: Body): readonly SeenSpan[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(valuesOf(resource.attributes)["service.name"]);
    return scopeSpans
      .flatMap((scope) => scope.spans)
      .map(({ name, traceId, spanId, parentSpanId, status, links = [], attributes }) => ({
        ...{ service, name, traceId, spanId, parentSpanId },
        failed: status.code === STATUS_ERROR,
        links: links.map((link) => link.spanId),
        attributes: valuesOf(attributes),
      }));
  });

const logsIn = ({ resourceLogs = [] }: Body): readonly SeenLog[] =>
  resourceLogs.flatMap(({ resource, scopeLogs }) =>
    scopeLogs
      .flatMap((scope) => scope.logRecords)
      .map(({ severityText, body, traceId = "", spanId = "", attributes }) => ({
        process: valuesOf(resource.attributes),
        level: severityText,
        text: body.stringValue ?? "",
        ...{ traceId, spanId },
        attributes: valuesOf(attributes),
      })),
  );

const pointsIn = ({ resourceMetrics = [] }: Body): readonly SeenPoint[] =>
  resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
    scopeMetrics
      .flatMap((scope) => scope.metrics)
      .flatMap(({ name, sum, gauge, histogram }) =>
        ((sum ?? gauge ?? histogram)?.dataPoints ?? []).map(({ attributes, asInt, asDouble, count }) => ({
          metric: name,
          process: valuesOf(resource.attributes),
          attributes: valuesOf(attributes),
          value: Number(asInt ?? asDouble ?? count ?? 0),
        })),
      ),
  );
