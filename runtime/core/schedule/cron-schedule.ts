/**
 * The ticks of cron on the clocks of a zone. How often the zone is looked at does not depend on how rare the ticks are:
 * from one stretch the search goes on where the calendar has the next match.
 *
 * Daylight saving, for cron:
 *
 * | clocks go | a local time         | ticks                                                           |
 * |-----------|----------------------|-----------------------------------------------------------------|
 * | forward   | that does not exist  | as much later as the clocks jumped: 02:30 becomes 03:30         |
 * | back      | that exists twice    | a rhythm (`0 *\/20 * * * *`) both times, a time of day the first |
 *
 * Two local times that become the same instant are one tick.
 */
import type { CronFields } from "./cron.ts";
import { firstMatch, lastMatch } from "./match-local.ts";
import type { Stretch, Zone } from "./zone.ts";

const SECOND_MS = 1_000;
/** Longer than local time and UTC ever differ, and than any change of clocks. */
const DAY_MS = 24 * 60 * 60 * SECOND_MS;

export interface Schedule {
  /** The first tick strictly later than a moment; undefined: there is none within 40 years. */
  next(after: Date): Date | undefined;
  /** The last tick strictly earlier. */
  previous(before: Date): Date | undefined;
}

/** `rhythm`: local times that come twice match twice. */
export function cronSchedule(fields: CronFields, zone: Zone, rhythm: boolean): Schedule {
  return {
    next(after) {
      let from = (Math.floor(after.getTime() / SECOND_MS) + 1) * SECOND_MS;
      for (;;) {
        const stretch = zone.stretchAt(from);
        const tick = earliest(inStretch(stretch, from), inGap(stretch, from));
        if (tick !== undefined) return new Date(tick);
        const match = firstMatch(fields, stretch.end - DAY_MS);
        if (match === undefined) return undefined;
        from = Math.max(stretch.end, match - DAY_MS);
      }
    },
    previous(before) {
      let to = (Math.ceil(before.getTime() / SECOND_MS) - 1) * SECOND_MS;
      for (;;) {
        const stretch = zone.stretchAt(to);
        const tick = latest(lastInStretch(stretch, to), lastInGap(stretch, to));
        if (tick !== undefined) return new Date(tick);
        const match = lastMatch(fields, stretch.start + DAY_MS);
        if (match === undefined) return undefined;
        to = Math.min(stretch.start - SECOND_MS, match + DAY_MS);
      }
    },
  };

  /** Local times of the stretch itself; a time of day that was there before the clocks went back is passed over. */
  function inStretch(stretch: Stretch, from: number): number | undefined {
    const { offsetMs, start, end } = stretch;
    const first = rhythm ? from : Math.max(from, start + repeatedMs(stretch));
    const local = firstMatch(fields, first + offsetMs);
    return local === undefined || local - offsetMs >= end ? undefined : local - offsetMs;
  }

  function lastInStretch(stretch: Stretch, to: number): number | undefined {
    const { offsetMs, start } = stretch;
    const first = rhythm ? start : start + repeatedMs(stretch);
    const local = lastMatch(fields, to + offsetMs);
    return local === undefined || local - offsetMs < first ? undefined : local - offsetMs;
  }

  /** Local times the clocks jumped over: at the instants they would have been. */
  function inGap({ offsetBeforeMs, offsetMs, start }: Stretch, from: number): number | undefined {
    const gapEnd = start + Math.max(0, offsetMs - offsetBeforeMs);
    if (from >= gapEnd) return undefined;
    const local = firstMatch(fields, Math.max(from, start) + offsetBeforeMs);
    return local === undefined || local - offsetBeforeMs >= gapEnd ? undefined : local - offsetBeforeMs;
  }

  function lastInGap({ offsetBeforeMs, offsetMs, start }: Stretch, to: number): number | undefined {
    const gapEnd = start + Math.max(0, offsetMs - offsetBeforeMs);
    if (gapEnd === start) return undefined;
    const local = lastMatch(fields, Math.min(to, gapEnd - SECOND_MS) + offsetBeforeMs);
    return local === undefined || local - offsetBeforeMs < start ? undefined : local - offsetBeforeMs;
  }
}

/** How long local times are shown a second time at the begin of a stretch. */
const repeatedMs = ({ offsetBeforeMs, offsetMs }: Stretch): number => Math.max(0, offsetBeforeMs - offsetMs);

const earliest = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b);
const latest = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.max(a, b);
