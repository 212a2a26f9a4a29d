/** A point in the past as people type it: how long ago, or an instant. */
import { UsageError } from "./exit-codes.ts";
import { isInstant } from "./input.ts";

const UNIT_MS = { s: 1_000, m: 60_000, h: 60 * 60_000, d: 24 * 60 * 60_000 } as const;

/** `90s`, `30m`, `2h`, `7d` before now, or an instant with a time zone. Throws UsageError, which names the option. */
export function sinceOf(text: string, now: Date, option = "--since"): Date {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (count !== undefined) return new Date(now.getTime() - Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS]);
  if (isInstant(text)) return new Date(text);
  throw new UsageError(
    `${option} ${text}: expected a time such as 30m, 2h or 7d, or an instant such as 2030-01-31T08:00:00Z.`,
  );
}
