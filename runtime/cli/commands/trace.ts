/** `jobyard trace <jobId>`: where the time of a job went, from its caller to its own code. */
import type { Span } from "../../local/telemetry/otlp-json.ts";
import type { TraceView } from "../../local/telemetry/receiver.ts";
import { counted, show, showInstant } from "../command.ts";
import { recentTelemetry } from "../recent-telemetry.ts";
import type { Surroundings, Terminal } from "../terminal.ts";
import { waterfall } from "../waterfall.ts";

interface TraceOptions {
  readonly json?: true;
}

/** Throws if there are no spans of the job. */
export async function trace(options: TraceOptions, around: Surroundings, jobId: string): Promise<void> {
  const { terminal } = around;
  const telemetry = await recentTelemetry(around);
  const found = await telemetry.trace(jobId);
  if (found.spans.length === 0) {
    throw new Error(
      `There are no spans of ${jobId}. npm start has those since ${showInstant(found.since)} UTC; one arrives when its step has ended.`,
    );
  }
  show(terminal, options, found, () => traceText(found, telemetry.endpoint, terminal));
}

function traceText({ jobId, spans }: TraceView, endpoint: string, terminal: Terminal): string {
  const ids = [...new Set(spans.map(({ traceId }) => traceId))];
  const started = new Date(Math.min(...spans.map(({ startMs }) => startMs))).toISOString();
  return [
    `Job ${jobId}`,
    `Trace ${ids.join(", ")}, ${counted(spans.length, "span")} from ${showInstant(started)} UTC`,
    "",
    waterfall(spans, terminal),
    ...(lacksCaller(spans)
      ? ["", `The caller's spans are missing. It can send them with OTEL_EXPORTER_OTLP_ENDPOINT=${endpoint}`]
      : []),
  ].join("\n");
}

/** The first span names a parent that nobody sent. */
function lacksCaller(spans: readonly Span[]): boolean {
  const parent = spans[0]?.parentSpanId;
  return parent !== undefined && !spans.some(({ spanId }) => spanId === parent);
}
