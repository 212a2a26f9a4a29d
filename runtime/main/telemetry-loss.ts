/** Bounds what waits for an exporter, counts what is lost, and chooses the spans to export. */
import { SpanStatusCode, TraceFlags } from "@opentelemetry/api";
import type { ReadableSpan, SpanProcessor } from "@opentelemetry/sdk-trace";

interface Outcome {
  readonly code: number;
  readonly error?: Error;
}

interface Exporter<T> {
  export(items: T[], done: (outcome: Outcome) => void): void;
  shutdown(): Promise<void>;
  forceFlush?(): Promise<void>;
}

export interface CountedQueue<T> {
  readonly exporter: Required<Exporter<T>>;
  /** Whether another item fits; if not, it counts as lost. */
  admit(): boolean;
}

const SUCCESS = 0;

/** Counts items from `admit` until the exporter is called with them. It may fail, hang or throw. */
export function counted<T>(exporter: Exporter<T>, max: number, onLost: (count: number) => void): CountedQueue<T> {
  let waiting = 0;
  return {
    admit() {
      if (waiting >= max) {
        onLost(1);
        return false;
      }
      waiting += 1;
      return true;
    },
    exporter: {
      export(items, done) {
        waiting -= items.length;
        exporter.export(items, (outcome) => {
          if (outcome.code !== SUCCESS) onLost(items.length);
          done(outcome);
        });
      },
      shutdown: () => exporter.shutdown(),
      forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
    },
  };
}

/** Passes on spans that are sampled, and of the others those that failed. */
export function countingProcessor(batch: SpanProcessor, queue: Pick<CountedQueue<never>, "admit">): SpanProcessor {
  return {
    onStart: () => undefined,
    onEnd(span) {
      const wanted = isSampled(span) ? span : span.status.code === SpanStatusCode.ERROR ? asSampled(span) : undefined;
      if (wanted !== undefined && queue.admit()) batch.onEnd(wanted);
    },
    forceFlush: () => batch.forceFlush(),
    shutdown: () => batch.shutdown(),
  };
}

const isSampled = (span: ReadableSpan): boolean => (span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0;

/** The same span; a batch passes over spans that are not sampled. */
function asSampled(span: ReadableSpan): ReadableSpan {
  const facts = { ...span.spanContext(), traceFlags: TraceFlags.SAMPLED };
  return Object.create(span, { spanContext: { value: () => facts } }) as ReadableSpan;
}
