/** Times and amounts as people read them. */

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `1.2 s`, `48 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`. */
export function durationText(ms: number): string {
  const span = Math.max(0, ms);
  if (span < SECOND_MS) return `${Math.round(span)} ms`;
  if (span < 10 * SECOND_MS) return `${(span / SECOND_MS).toFixed(1)} s`;
  if (span < MINUTE_MS) return `${Math.floor(span / SECOND_MS)} s`;
  if (span < HOUR_MS) return pair(span, MINUTE_MS, "min", SECOND_MS, "s");
  if (span < DAY_MS) return pair(span, HOUR_MS, "h", MINUTE_MS, "min");
  return pair(span, DAY_MS, "d", HOUR_MS, "h");
}

function pair(ms: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)} ${largeUnit}${rest === 0 ? "" : ` ${rest} ${smallUnit}`}`;
}

/** `now`, `8 s ago`, `3 min ago`, `in 2 h`: one unit, so that it changes seldom. */
export function relativeText(at: number, now: number): string {
  const span = Math.abs(at - now);
  if (span < 2 * SECOND_MS) return "now";
  const text =
    span < MINUTE_MS
      ? `${Math.floor(span / SECOND_MS)} s`
      : span < HOUR_MS
        ? `${Math.floor(span / MINUTE_MS)} min`
        : span < DAY_MS
          ? `${Math.floor(span / HOUR_MS)} h`
          : `${Math.floor(span / DAY_MS)} d`;
  return at > now ? `in ${text}` : `${text} ago`;
}

const LOCAL = new Intl.DateTimeFormat(undefined, {
  year: "numeric",
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  timeZoneName: "short",
});
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** With the zone of this machine. */
export const localText = (at: number): string => LOCAL.format(at);
export const clockText = (at: number): string => CLOCK.format(at);
export const utcText = (at: number): string => `${new Date(at).toISOString().replace("T", " ").slice(0, 19)} UTC`;

const NUMBER = new Intl.NumberFormat("en");
export const numberText = (value: number): string => NUMBER.format(value);

const BYTE_UNITS = ["bytes", "KiB", "MiB", "GiB"] as const;

export function bytesText(bytes: number): string {
  const power = Math.min(BYTE_UNITS.length - 1, bytes < 1_024 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1_024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${BYTE_UNITS[power] ?? ""}`;
}

export const counted = (count: number, noun: string, plural = `${noun}s`): string =>
  `${numberText(count)} ${count === 1 ? noun : plural}`;
