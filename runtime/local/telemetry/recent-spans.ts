/**
 * The spans of the last hour in memory, found by job. They are kept in segments by time of arrival, and the oldest segment
 * is dropped as a whole: when it is too old, or when all spans together need too much memory.
 */
import type { Span } from "./otlp-json.ts";

export interface RecentSpansDeps {
  readonly nowMs: () => number;
  readonly keepMs: number;
  readonly maxBytes: number;
}

export interface RecentSpans {
  add(spans: readonly Span[]): void;
  /** The spans of a job with the spans that lead to it, by start. Empty if there are none. */
  ofJob(jobId: string): readonly Span[];
  /** Spans that arrived before are gone, or were never received. */
  readonly sinceMs: number;
  readonly bytes: number;
}

/** The job that a span is about. */
const JOB_ID_ATTRIBUTE = "jobyard.job.id";

interface Segment {
  readonly startedMs: number;
  bytes: number;
  /** Spans as JSON by trace: less memory than objects, and an amount that is known. */
  readonly traces: Map<string, string[]>;
  readonly tracesOfJobs: Map<string, Set<string>>;
}

const SEGMENTS = 60;
/** What a span needs beside its text: headers of strings, entries of maps. */
const OVERHEAD_BYTES = 300;
/** A text with one character beyond Latin-1 needs two bytes for each. */
const BYTES_OF_CHARACTER = 2;

export function createRecentSpans({ nowMs, keepMs, maxBytes }: RecentSpansDeps): RecentSpans {
  const segments: Segment[] = [];
  let bytes = 0;
  let sinceMs = nowMs();

  function current(): Segment {
    const now = nowMs();
    const last = segments.at(-1);
    if (last !== undefined && now - last.startedMs < keepMs / SEGMENTS && last.bytes < maxBytes / SEGMENTS) return last;
    const fresh = { startedMs: now, bytes: 0, traces: new Map(), tracesOfJobs: new Map() };
    segments.push(fresh);
    return fresh;
  }

  function forget(): void {
    for (;;) {
      const [oldest, next] = segments;
      if (oldest === undefined) return;
      // Its last span may be younger than its first one by the length of a segment.
      const isOld = oldest.startedMs + keepMs / SEGMENTS <= nowMs() - keepMs;
      if (!isOld && bytes <= maxBytes) return;
      segments.shift();
      bytes -= oldest.bytes;
      sinceMs = Math.max(sinceMs, isOld ? nowMs() - keepMs : (next?.startedMs ?? nowMs()));
    }
  }

  return {
    get sinceMs() {
      forget();
      return Math.max(sinceMs, nowMs() - keepMs);
    },
    get bytes() {
      return bytes;
    },
    add(spans) {
      for (const span of spans) {
        const segment = current();
        const text = JSON.stringify(span);
        const size = text.length * BYTES_OF_CHARACTER + OVERHEAD_BYTES;
        const jobId = span.attributes[JOB_ID_ATTRIBUTE];
        added(segment.traces, span.traceId, () => []).push(text);
        if (jobId !== undefined) added(segment.tracesOfJobs, String(jobId), () => new Set()).add(span.traceId);
        segment.bytes += size;
        bytes += size;
        forget();
      }
    },
    ofJob(jobId) {
      forget();
      const traceIds = new Set(segments.flatMap(({ tracesOfJobs }) => [...(tracesOfJobs.get(jobId) ?? [])]));
      const texts = [...traceIds].flatMap((id) => segments.flatMap(({ traces }) => traces.get(id) ?? []));
      return spansAbout(
        jobId,
        texts.map((text) => JSON.parse(text) as Span),
      );
    },
  };
}

function added<V>(map: Map<string, V>, key: string, create: () => V): V {
  const found = map.get(key) ?? create();
  map.set(key, found);
  return found;
}

/**
 * Leaves out what belongs to other jobs: a submit of many jobs is one trace. A span without a job's id belongs to the job
 * of the nearest span above it that has one. While that one has not ended, nobody has sent it, and the span is anyone's:
 * it is shown if the trace has no other job.
 */
function spansAbout(jobId: string, spans: readonly Span[]): readonly Span[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const parentOf = ({ parentSpanId = "" }: Span): Span | undefined => byId.get(parentSpanId);
  /** The span and those above it. A circle of parents, which only a broken sender makes, ends where it began. */
  function upFrom(span: Span): ReadonlySet<Span> {
    const path = new Set<Span>();
    for (let at: Span | undefined = span; at !== undefined && !path.has(at); at = parentOf(at)) path.add(at);
    return path;
  }
  const paths = new Map([...byId.values()].map((span) => [span, upFrom(span)]));
  const jobOf = (path: ReadonlySet<Span>): string | undefined => {
    const owner = [...path].find(({ attributes }) => attributes[JOB_ID_ATTRIBUTE] !== undefined);
    return owner && String(owner.attributes[JOB_ID_ATTRIBUTE]);
  };
  const jobs = new Map([...paths].map(([span, path]) => [span, jobOf(path)]));
  const isAlone = [...jobs.values()].every((job) => job === undefined || job === jobId);
  const own = [...paths].filter(([span]) => jobs.get(span) === jobId);
  const roots = new Set(own.flatMap(([, path]) => [...path].at(-1) ?? []));
  const belongs = ([span, path]: readonly [Span, ReadonlySet<Span>]): boolean =>
    jobs.get(span) === jobId || (jobs.get(span) === undefined && (isAlone || [...path].some((at) => roots.has(at))));
  const kept = [...paths].filter(belongs).map(([span]) => span);
  return kept.sort((a, b) => a.startMs - b.startMs);
}
