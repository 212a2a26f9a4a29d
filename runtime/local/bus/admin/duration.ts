/** ISO 8601 durations, as the administration API writes them. */
import { BusError } from "../engine/errors.ts";

/** The longest time span of .NET, which stands for "for ever". */
const FOREVER = "P10675199DT2H48M5.4775807S";
const FOREVER_MS = 10_675_199 * 86_400_000;

const DURATION = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;

/** Milliseconds; undefined for "for ever". @throws BusError `invalid-argument` */
export function parseDuration(text: string): number | undefined {
  const match = DURATION.exec(text);
  if (!match || text === "P" || text.endsWith("T")) {
    throw new BusError("invalid-argument", `'${text}' is not a duration; write it like PT30S or P1DT12H.`);
  }
  const [days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part));
  const value = (part: number | undefined): number => (part === undefined || Number.isNaN(part) ? 0 : part);
  const total = ((value(days) * 24 + value(hours)) * 60 + value(minutes)) * 60_000 + value(seconds) * 1_000;
  return total >= FOREVER_MS ? undefined : Math.round(total);
}

export function formatDuration(milliseconds: number | undefined): string {
  if (milliseconds === undefined || milliseconds === Infinity) return FOREVER;
  const days = Math.floor(milliseconds / 86_400_000);
  const hours = Math.floor(milliseconds / 3_600_000) % 24;
  const minutes = Math.floor(milliseconds / 60_000) % 60;
  const seconds = (milliseconds % 60_000) / 1_000;
  const time = `${hours ? `${hours}H` : ""}${minutes ? `${minutes}M` : ""}${seconds ? `${seconds}S` : ""}`;
  if (time === "" && days === 0) return "PT0S";
  return `P${days ? `${days}D` : ""}${time && `T${time}`}`;
}
