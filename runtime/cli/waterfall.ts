/**
 * The spans of a job as text: a tree with a bar for the time of each span. Errors are marked by a sign as well as by
 * colour.
 */
import type { Span } from "../local/telemetry/otlp-json.ts";
import { wrapped } from "../local/demo/report.ts";
import { cut, fit, showSeconds } from "./command.ts";
import type { Terminal } from "./terminal.ts";

type Screen = Pick<Terminal, "columns" | "paint">;

/** Width where nothing limits it. */
const COLUMNS_DEFAULT = 120;
const SERVICE_MAX = 14;
const BAR_MIN = 12;
const GAP = 2;
/** Of the span of an attempt: its number. */
const ATTEMPT_ATTRIBUTE = "jobyard.attempt";
/** Further spans are counted. */
const SPANS_MAX_COUNT = 200;

interface Row {
  readonly span: Span;
  /** Lines of the tree before the name. */
  readonly lead: string;
  /** The same for further lines of the row. */
  readonly under: string;
  readonly note: string;
}

/** `received`: by start, at least one. */
export function waterfall(received: readonly Span[], screen: Screen): string {
  const spans = withLostAttempts(received);
  const rows = rowsOf(spans);
  const shown = rows.slice(0, SPANS_MAX_COUNT);
  const startMs = Math.min(...spans.map((span) => span.startMs));
  const totalMs = Math.max(...spans.map((span) => span.startMs + span.durationMs)) - startMs;
  const columns = Number.isFinite(screen.columns) ? screen.columns : COLUMNS_DEFAULT;
  const serviceWidth = Math.min(SERVICE_MAX, Math.max(...shown.map(({ span }) => span.service.length)));
  const longest = Math.max(...shown.map(({ span, lead, note }) => lead.length + span.name.length + note.length + 2));
  const times = shown.map(({ span }) => showSeconds(span.durationMs / 1_000));
  const timeWidth = Math.max(...times.map(({ length }) => length));
  const rest = columns - serviceWidth - timeWidth - 3 * GAP;
  const nameWidth = Math.min(longest, Math.max(BAR_MIN, Math.min(rest - BAR_MIN, Math.floor(rest * 0.62))));
  const barWidth = Math.max(BAR_MIN, rest - nameWidth);
  const gap = " ".repeat(GAP);

  const line = ({ span, lead, under, note }: Row, number: number): readonly string[] => {
    const isFailed = span.error !== undefined;
    const name = fit(`${cut(`${lead}${isFailed ? "✗ " : ""}${span.name}`, nameWidth - note.length)}${note}`, nameWidth);
    const bar = barOf((span.startMs - startMs) / totalMs, span.durationMs / totalMs, barWidth);
    const time = (times[number] ?? "").padStart(timeWidth);
    const red = (text: string): string => (isFailed ? screen.paint("red", text) : text);
    const text = `${red(name)}${gap}${fit(span.service, serviceWidth)}${gap}${red(bar)}${gap}${time}`;
    if (!isFailed) return [text];
    return [
      text,
      ...wrapped(oneLine(span.error), columns - under.length - 2)
        .split("\n")
        .map((part) => `${under}  ${red(part)}`),
    ];
  };

  const scale = ["0", showSeconds(totalMs / 2_000), showSeconds(totalMs / 1_000)];
  const head = `${" ".repeat(nameWidth + serviceWidth + 2 * GAP)}${spread(scale, barWidth)}`.trimEnd();
  const left = rows.length - shown.length;
  return [
    screen.paint("dim", head),
    ...shown.flatMap(line),
    ...(left > 0 ? [`… and ${left} more spans: --json lists all`] : []),
  ].join("\n");
}

/**
 * A killed worker does not send the span of its attempt, but has sent steps of it. The attempt after it names its id. It
 * is shown as far as its steps go.
 */
function withLostAttempts(spans: readonly Span[]): readonly Span[] {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const lost = spans.flatMap((next) =>
    next.links
      .filter((id) => !ids.has(id))
      .flatMap((spanId): Span[] => {
        const steps = spans.filter(({ parentSpanId }) => parentSpanId === spanId);
        const [first] = steps;
        if (first === undefined) return [];
        const endMs = Math.max(...steps.map(({ startMs, durationMs }) => startMs + durationMs));
        const { service, startMs } = first;
        const seen = { service, startMs, durationMs: endMs - startMs, error: "Its worker has not sent its end." };
        return [{ ...next, ...seen, spanId, name: "lost attempt", links: [], attributes: {} }];
      }),
  );
  return [...spans, ...lost].sort((a, b) => a.startMs - b.startMs);
}

/** Each span below its parent. A span whose parent is unknown starts a tree. */
function rowsOf(spans: readonly Span[]): readonly Row[] {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const children = Map.groupBy(spans, ({ parentSpanId = "" }) => (ids.has(parentSpanId) ? parentSpanId : ""));
  const numbers = new Map<string, number>();
  const rows: Row[] = [];
  function add(span: Span, lead: string, under: string): void {
    const own = (children.get(span.spanId) ?? []).filter(
      ({ spanId }) => !numbers.has(spanId) && spanId !== span.spanId,
    );
    numbers.set(span.spanId, rows.length + 1);
    const below = own.length > 0 ? `${under}│` : `${under} `;
    rows.push({ span, lead, under: below, note: noteOf(span) });
    own.forEach((child, i) => {
      const isLast = i === own.length - 1;
      add(child, `${under}${isLast ? "└ " : "├ "}`, `${under}${isLast ? "  " : "│ "}`);
    });
  }
  /** Of an attempt after another one. */
  function noteOf({ links, attributes }: Span): string {
    if (links.length === 0 || attributes[ATTEMPT_ATTRIBUTE] === undefined) return "";
    const before = links.flatMap((id) => numbers.get(id) ?? []).at(-1);
    if (before === undefined) return " ↩ lost attempt";
    const attempt = rows[before - 1]?.span.attributes[ATTEMPT_ATTRIBUTE];
    return attempt === undefined ? " ↩ lost attempt" : ` ↩ attempt ${String(attempt)}`;
  }
  const roots = children.get("") ?? [];
  // After the roots only a circle of parents is left, which a broken sender makes.
  for (const span of [...roots, ...spans]) if (!numbers.has(span.spanId)) add(span, "", "");
  return rows;
}

/** Positions are shares of the whole time. A span is at least one character long. */
function barOf(start: number, length: number, width: number): string {
  const from = Math.min(width - 1, Math.floor((Number.isFinite(start) ? start : 0) * width));
  const size = Math.max(1, Math.min(width - from, Math.round((Number.isFinite(length) ? length : 1) * width)));
  return `${" ".repeat(from)}${"█".repeat(size)}`.padEnd(width);
}

function spread([left = "", middle = "", right = ""]: readonly string[], width: number): string {
  const half = Math.floor(width / 2);
  const fits = left.length + middle.length + right.length + 4 <= width;
  const before = fits ? `${left.padEnd(half - Math.floor(middle.length / 2))}${middle}` : left;
  return `${before}${right.padStart(width - before.length)}`;
}

const oneLine = (text: string): string => text.trim().replace(/\s+/g, " ");
