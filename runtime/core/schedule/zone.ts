/**
 * Time zones as stretches of constant distance from UTC. Everything about daylight saving follows from where such a
 * stretch begins: with a jump forward, or with an hour that comes a second time.
 */
import { ScheduleError } from "../errors.ts";

/** Instants are milliseconds since 1970; a local time is the instant at which a clock in UTC would show it. */
export interface Stretch {
  /** Local time minus UTC. */
  readonly offsetMs: number;
  /** The instant it begins: a change of the clocks, or a moment more than a day after the last one. */
  readonly start: number;
  /** The instant the next one begins, which may have the same offset. */
  readonly end: number;
  /** Offset of the stretch before. */
  readonly offsetBeforeMs: number;
}

export interface Zone {
  /** The stretch an instant lies in. The same for the same instant, whatever was asked before. */
  stretchAt(instant: number): Stretch;
}

interface Change {
  /** The first second of the new offset. */
  readonly at: number;
  readonly offsetBeforeMs: number;
  readonly offsetMs: number;
}

/** What is known of one span of time: the offset it begins with, and the changes in it, in their order. */
interface Span {
  readonly firstOffsetMs: number;
  readonly changes: readonly Change[];
}

const SECOND_MS = 1_000;
const DAY_MS = 24 * 60 * 60 * SECOND_MS;
/** The clocks are looked at so often. No two changes anywhere are closer than seven days (Gaza, October 2040). */
const STEP_MS = 2 * DAY_MS;
/** Spans are looked at as a whole, each once. They begin at the same moments in every process. */
const SPAN_MS = 32 * STEP_MS;
/** A span begins this much earlier: longer than any change lets local times come again or leaves them out. */
const OVERLAP_MS = STEP_MS;
/** Of one zone. Schedules ask for the present, rare ones also for single days of other years. */
const SPANS_KEPT = 64;

const zones = new Map<string, Zone>();

/** Throws ScheduleError for a name that the IANA database does not have. */
export function zoneOf(name: string): Zone {
  // Capitals do not matter: without this, each spelling would be kept as a zone of its own.
  const key = name.toLowerCase();
  const known = zones.get(key) ?? createZone(offsetsOf(name));
  zones.set(key, known);
  return known;
}

/** `offsetAt`: local time minus UTC at whole seconds. */
export function createZone(offsetAt: (instant: number) => number): Zone {
  const spans = new Map<number, Span>();

  function spanOf(index: number): Span {
    const known = spans.get(index);
    if (known !== undefined) return known;
    if (spans.size >= SPANS_KEPT) spans.clear();
    const found = look(index * SPAN_MS - OVERLAP_MS, (index + 1) * SPAN_MS);
    spans.set(index, found);
    return found;
  }

  function look(from: number, to: number): Span {
    const changes: Change[] = [];
    const firstOffsetMs = offsetAt(from);
    let offsetBeforeMs = firstOffsetMs;
    for (let low = from; low < to; low += STEP_MS) {
      const offsetMs = offsetAt(low + STEP_MS);
      if (offsetMs === offsetBeforeMs) continue;
      changes.push({ at: changeBetween(low, low + STEP_MS, offsetBeforeMs), offsetBeforeMs, offsetMs });
      offsetBeforeMs = offsetMs;
    }
    return { firstOffsetMs, changes };
  }

  /** The first second at which the offset is no longer that of `low`. */
  function changeBetween(low: number, high: number, before: number): number {
    while (high - low > SECOND_MS) {
      const middle = Math.floor((low + high) / (2 * SECOND_MS)) * SECOND_MS;
      if (offsetAt(middle) === before) low = middle;
      else high = middle;
    }
    return high;
  }

  return {
    stretchAt(instant) {
      const index = Math.floor(instant / SPAN_MS);
      const { firstOffsetMs, changes } = spanOf(index);
      const last = changes.findLast(({ at }) => at <= instant);
      const offsetMs = last?.offsetMs ?? firstOffsetMs;
      return {
        offsetMs,
        start: last?.at ?? index * SPAN_MS,
        end: Math.min(changes.find(({ at }) => at > instant)?.at ?? Infinity, (index + 1) * SPAN_MS),
        offsetBeforeMs: last?.offsetBeforeMs ?? offsetMs,
      };
    },
  };
}

/** Names that Node.js takes and that are not in the IANA database: ICU has them of the Java of 1996. */
const ABBREVIATIONS = new Set(
  "ACT AET AGT ART AST BET BST CAT CNT CST CTT EAT ECT IET IST JST MIT NET NST PLT PNT PRT PST SST VST".split(" "),
);

function offsetsOf(name: string): (instant: number) => number {
  const format = formatOf(name);
  return (instant) => {
    const [, sign, hours = 0, minutes = 0, seconds = 0] =
      /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(format.format(instant)) ?? [];
    const ms = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * SECOND_MS;
    return sign === "-" ? -ms : ms;
  };
}

/** Writes an instant's offset from UTC at the end of its text. */
function formatOf(name: string): Intl.DateTimeFormat {
  // An offset is not a zone: where clocks are changed it is wrong for half of the year.
  if (/^[+-]/.test(name)) {
    throw new ScheduleError(
      `Time zone "${name}" is an offset, which is wrong for half of the year where clocks are changed; ${USE_A_PLACE}`,
    );
  }
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset", hour: "numeric" });
  } catch (error) {
    throw new ScheduleError(`Time zone "${name}" is not in the IANA database; ${USE_A_PLACE}`, { cause: error });
  }
  if (ABBREVIATIONS.has(name.toUpperCase()) || /^SystemV\//i.test(name)) {
    const { timeZone } = format.resolvedOptions();
    throw new ScheduleError(
      `Time zone "${name}" is an abbreviation that several zones share, and not in the IANA database (Node.js would take it for ${timeZone}); ${USE_A_PLACE}`,
    );
  }
  return format;
}

const USE_A_PLACE = "use a name such as Europe/Vienna.";
