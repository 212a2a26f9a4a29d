/** A collector that takes OTLP over HTTP as JSON, as the specification says, and keeps the spans. */
import { startLoopbackServer } from "../network/loopback-server.ts";

export interface SeenSpan {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly failed: boolean;
  /** Ids of the spans it links to. */
  readonly links: readonly string[];
}

export interface OtlpReceiver extends AsyncDisposable {
  readonly url: string;
  readonly spans: readonly SeenSpan[];
  /** All that was received, as text. */
  received(): string;
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}

interface TracesBody {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly RawSpan[] }[];
  }[];
}

interface RawSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly status: { readonly code?: number };
  readonly links?: readonly { readonly spanId: string }[];
}

const STATUS_ERROR = 2;

/** `silent`: takes requests and never answers. */
export async function startOtlpReceiver({ silent = false } = {}): Promise<OtlpReceiver> {
  const spans: SeenSpan[] = [];
  const bodies: unknown[] = [];
  const server = await startLoopbackServer(({ url, body }) => {
    if (silent) return "silence";
    bodies.push(body);
    if (url.pathname === "/v1/traces") spans.push(...spansIn(body as TracesBody));
    return { status: 200, body: {} };
  });
  return {
    url: server.url,
    spans,
    received: () => JSON.stringify(bodies),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const spansIn = ({ resourceSpans }: TracesBody): readonly SeenSpan[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = resource.attributes.find(({ key }) => key === "service.name")?.value.stringValue ?? "";
    return scopeSpans
      .flatMap((scope) => scope.spans)
      .map(({ name, traceId, spanId, parentSpanId, status, links = [] }) => ({
        ...{ service, name, traceId, spanId, parentSpanId },
        failed: status.code === STATUS_ERROR,
        links: links.map((link) => link.spanId),
      }));
  });
