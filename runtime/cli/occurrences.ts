/** When a timer will tick, as people read it: on the clocks of its own time zone. */
import type { ManifestTimer } from "../core/manifest.ts";
import { parseSchedule } from "../core/schedule/schedule.ts";

/** The next ticks after a moment; fewer if there are no more within 40 years. */
export function nextOccurrences(timer: Pick<ManifestTimer, "cron" | "timeZone">, after: Date, count: number): Date[] {
  const schedule = parseSchedule(timer);
  const found: Date[] = [];
  for (let tick = schedule.next(after); tick !== undefined && found.length < count; tick = schedule.next(tick)) {
    found.push(tick);
  }
  return found;
}

/** 2030-01-31 08:00:00, on the clocks of a zone. */
export const showLocal = (instant: Date, timeZone = "UTC"): string =>
  // Sweden writes dates as ISO 8601 does.
  new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" }).format(instant);
