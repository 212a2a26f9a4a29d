/**
 * Rhythms as time spans, `[d.]hh:mm:ss`. Counted from a fixed moment, so that every process finds the same ticks, and
 * nothing drifts with how long runs take.
 */
import { ScheduleError } from "../errors.ts";

const SECOND_MS = 1_000;
/** A Sunday at midnight UTC, so that whole weeks and days begin where people expect it. */
const EPOCH = Date.UTC(2023, 0, 1);
/** A year of its longest form: what comes less often is written as cron. */
const SPAN_MAX_MS = 366 * 24 * 60 * 60 * SECOND_MS;

export const isTimeSpan = (text: string): boolean => /^\d+(?:\.\d+)?:/.test(text.trim());

/** In milliseconds. Throws ScheduleError. */
export function parseTimeSpan(text: string): number {
  const parts = /^(?:(\d{1,3})\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})$/.exec(text.trim());
  // The days may be left out.
  const given: readonly (string | undefined)[] = parts?.slice(1) ?? [];
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = given.map((part = "0") => Number(part));
  if (parts === null || hours > 23 || minutes > 59 || seconds > 59) {
    throw new ScheduleError(
      `Time span "${text}" must be hh:mm:ss or d.hh:mm:ss, with hours up to 23 and minutes and seconds up to 59.${hint(text.trim())}`,
    );
  }
  const ms = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * SECOND_MS;
  if (ms === 0 || ms > SPAN_MAX_MS) {
    throw new ScheduleError(`Time span "${text}" must be at least one second and at most 366 days.`);
  }
  return ms;
}

/** What was probably meant; empty: unknown. */
function hint(text: string): string {
  const [, ...numbers] = /^(\d{1,3}):(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?$/.exec(text) ?? [];
  const [first = NaN, second = NaN, third = NaN, fourth] = numbers.map((one: string | undefined) =>
    one === undefined ? undefined : Number(one),
  );
  if (fourth !== undefined) return ` Days end with a dot: "${text.replace(":", ".")}".`;
  if (first > 23 && second <= 59 && third <= 59) {
    const hours = showTimeSpan(((first * 60 + second) * 60 + third) * SECOND_MS);
    const asDays =
      second <= 23 ? `; .NET reads ${first} days, which is "${first}.${text.slice(text.indexOf(":") + 1)}:00"` : "";
    return ` That long is "${hours}"${asDays}.`;
  }
  if (/^\d{1,2}:\d{1,2}$/.test(text)) return ` Seconds must be written: "${text}:00".`;
  return text.includes(".") ? " Parts of a second cannot be." : "";
}

/** As `[d.]hh:mm:ss`. */
export function showTimeSpan(ms: number): string {
  const seconds = Math.floor(ms / SECOND_MS);
  const days = Math.floor(seconds / 86_400);
  const clock = [Math.floor(seconds / 3_600) % 24, Math.floor(seconds / 60) % 60, seconds % 60];
  return `${days === 0 ? "" : `${days}.`}${clock.map((part) => String(part).padStart(2, "0")).join(":")}`;
}

/** The first tick later than a moment, and the last one earlier. Milliseconds since 1970. */
export const nextOfSpan = (spanMs: number, after: number): number =>
  EPOCH + (Math.floor((after - EPOCH) / spanMs) + 1) * spanMs;

export const previousOfSpan = (spanMs: number, before: number): number =>
  EPOCH + (Math.ceil((before - EPOCH) / spanMs) - 1) * spanMs;
