/** How long until an instant, or since: as exact as people need it. */
const UNITS: readonly (readonly [unit: string, seconds: number])[] = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
  ["s", 1],
];

/** "in 3 min", "2 h ago", "now"; a dash for what has not happened and will not. */
export function showRelative(instant: string | undefined, now: Date): string {
  if (instant === undefined) return "-";
  const seconds = Math.round((new Date(instant).getTime() - now.getTime()) / 1_000);
  // From twice a unit on: 90 minutes are more than an hour, and less than two.
  const found = UNITS.find(([unit, size]) => Math.abs(seconds) >= (unit === "s" ? 1 : 2 * size));
  if (found === undefined) return "now";
  const [unit, size] = found;
  const text = `${Math.round(Math.abs(seconds) / size)} ${unit}`;
  return seconds > 0 ? `in ${text}` : `${text} ago`;
}
