/**
 * Time zones as stretches of constant distance from UTC. Everything about daylight saving follows from where such a
 * stretch begins: with a jump forward, or with an hour that comes a second time.
 */
import { ScheduleError } from "./schedule-error.ts";

/** Instants are milliseconds since 1970; a local time is the instant at which a clock in UTC would show it. */
export interface Stretch {
  /** Local time minus UTC. */
  readonly offsetMs: number;
  /** The instant it begins; -Infinity: before anything asked for here. */
  readonly start: number;
  /** The instant the next one begins. */
  readonly end: number;
  /** Offset of the stretch before. */
  readonly offsetBeforeMs: number;
}

export interface Zone {
  readonly name: string;
  /** The stretch an instant lies in. */
  stretchAt(instant: number): Stretch;
}

const MINUTE_MS = 60_000;
/** Shorter than the time between two changes anywhere, so that no pair of them is stepped over. */
const STEP_MS = 7 * 24 * 60 * MINUTE_MS;
/** No zone keeps one offset for longer without being constant as far as its tables go. */
const LOOK_AHEAD_MS = 400 * 24 * 60 * MINUTE_MS;

const zones = new Map<string, Zone>();

/** Throws ScheduleError for a name that is none of the IANA database's. The same object for the same name. */
export function zoneOf(name: string): Zone {
  const known = zones.get(name) ?? createZone(name);
  zones.set(name, known);
  return known;
}

function createZone(name: string): Zone {
  const offsetAt = offsetsOf(name);
  const stretches: Stretch[] = [];

  /** The instant of the change in between: the first at which the offset is no longer that of `low`. */
  function changeBetween(low: number, high: number): number {
    const before = offsetAt(low);
    while (high - low > 1_000) {
      const middle = Math.floor((low + high) / 2_000) * 1_000;
      if (offsetAt(middle) === before) low = middle;
      else high = middle;
    }
    return high;
  }

  function find(instant: number): Stretch {
    const at = Math.floor(instant / 1_000) * 1_000;
    const offsetMs = offsetAt(at);
    let start = at;
    while (at - start < LOOK_AHEAD_MS && offsetAt(start - STEP_MS) === offsetMs) start -= STEP_MS;
    const hasStart = at - start < LOOK_AHEAD_MS;
    let end = at;
    while (end - at < LOOK_AHEAD_MS && offsetAt(end + STEP_MS) === offsetMs) end += STEP_MS;
    const hasEnd = end - at < LOOK_AHEAD_MS;
    return {
      offsetMs,
      // Not further than was looked: whoever asks about an earlier or later instant gets another stretch.
      start: hasStart ? changeBetween(start - STEP_MS, start) : start,
      end: hasEnd ? changeBetween(end, end + STEP_MS) : end + STEP_MS,
      offsetBeforeMs: hasStart ? offsetAt(start - STEP_MS) : offsetMs,
    };
  }

  return {
    name,
    stretchAt(instant) {
      const known = stretches.find(({ start, end }) => start <= instant && instant < end);
      if (known !== undefined) return known;
      const found = find(instant);
      stretches.push(found);
      return found;
    },
  };
}

/** Local time minus UTC at whole seconds. */
function offsetsOf(name: string): (instant: number) => number {
  let format: Intl.DateTimeFormat;
  try {
    // An offset is no zone: it is wrong for half of the year wherever clocks are changed.
    if (/^[+-]/.test(name)) throw new RangeError("This is an offset from UTC.");
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: name,
      calendar: "iso8601",
      hourCycle: "h23",
      ...{ year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" },
    });
  } catch (error) {
    throw new ScheduleError(`Time zone "${name}" is not in the IANA database; use a name such as Europe/Vienna.`, {
      cause: error,
    });
  }
  return (instant) => {
    const parts = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(instant / 1_000) * 1_000;
  };
}
