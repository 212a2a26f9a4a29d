/** What the author of a schedule may have meant otherwise. For schedules that can be read. */
import {
  type CronPart,
  DAY_OF_MONTH,
  DAY_OF_WEEK,
  type FieldRange,
  HOUR,
  MINUTE,
  MONTH,
  SECOND,
  partsOf,
  valuesOfPart,
} from "./cron-fields.ts";
import { fieldsOf, parseCron } from "./cron.ts";
import type { ScheduleText } from "./schedule.ts";
import { isTimeSpan, showTimeSpan } from "./time-span.ts";

/** Sentences. */
export function scheduleWarnings({ cron, timeZone = "UTC" }: ScheduleText): readonly string[] {
  if (!isTimeSpan(cron)) return [...cronWarnings(cron), ...zoneWarnings(timeZone)];
  if (timeZone === "UTC") return [];
  return [`The time span "${cron}" is counted in UTC: the time zone ${timeZone} changes nothing. Cron can be local.`];
}

/** The same for many, each with the name of its timer. */
export const timerWarnings = (timers: readonly (ScheduleText & { readonly timerName: string })[]): readonly string[] =>
  timers.flatMap((timer) => scheduleWarnings(timer).map((warning) => `Timer ${timer.timerName}: ${warning}`));

function zoneWarnings(timeZone: string): readonly string[] {
  const [, sign, hours] = /^Etc\/GMT([+-])([1-9]\d?)$/i.exec(timeZone) ?? [];
  if (sign === undefined || hours === undefined) return [];
  const where = sign === "+" ? "behind" : "ahead of";
  return [
    `Time zone "${timeZone}" is ${hours} ${hours === "1" ? "hour" : "hours"} ${where} UTC: in names with Etc the sign is turned around. Places know daylight saving, too.`,
  ];
}

function cronWarnings(text: string): readonly string[] {
  const fields = fieldsOf(text);
  const [second, minute, hour, dayOfMonth, month, dayOfWeek] = fields;
  const { seconds, minutes, daysOfMonth, daysOfWeek } = parseCron(text);
  const warnings: string[] = [];
  if (seconds.length === 60 && minutes.length < 60) {
    const meant = `0 ${fields.slice(1).join(" ")}`;
    warnings.push(`Cron "${text}" runs every second of the minutes it names; "${meant}" runs once in each.`);
  }
  if (daysOfMonth.length < 31 && daysOfWeek.length < 7) {
    warnings.push(
      `Cron "${text}" runs on days that match both day of month "${dayOfMonth}" and day of week "${dayOfWeek}"; Unix cron would run on either.`,
    );
  }
  const cycles: readonly (readonly [string, Cycle])[] = [
    [second, { range: SECOND, size: 60, within: "minute", unit: "second", unitMs: 1_000 }],
    [minute, { range: MINUTE, size: 60, within: "hour", unit: "minute", unitMs: 60_000 }],
    [hour, { range: HOUR, size: 24, within: "day", unit: "hour", unitMs: 3_600_000 }],
    [dayOfMonth, { range: DAY_OF_MONTH, size: undefined, within: "month", unit: "day", unitMs: DAY_MS }],
    [month, { range: MONTH, size: undefined, within: "year", unit: "month" }],
    [dayOfWeek, { range: DAY_OF_WEEK, size: undefined, within: "week", unit: "day", unitMs: DAY_MS }],
  ];
  for (const [field, cycle] of cycles) {
    for (const part of partsOf(field, cycle.range)) {
      if (beginsAnew(part, cycle)) warnings.push(`Cron "${text}" ${steps(part, cycle)}`);
    }
  }
  return warnings;
}

const DAY_MS = 24 * 3_600_000;
/** Of months in days. */
const SHORTEST: Readonly<Record<string, number>> = { [DAY_OF_MONTH.name]: 28 };

/** What a field counts, and within what it begins anew. */
interface Cycle {
  readonly range: FieldRange;
  /** Values in it. Undefined: people who write steps here mean another rhythm than that of the calendar. */
  readonly size: number | undefined;
  readonly within: string;
  readonly unit: string;
  /** Left out: no time span can say it. */
  readonly unitMs?: number;
}

/**
 * Whether the values are not as far apart from one cycle to the next as within one. A range says itself where it ends:
 * only a next cycle that comes too soon is no intention, or a step that leads out of it at once.
 */
function beginsAnew(part: CronPart, { range, size }: Cycle): boolean {
  const { form, first, last, step } = part;
  const isPlain = step === 1 || (form === "value" && first === last);
  if (isPlain) return false;
  const values = valuesOfPart(part);
  const count = size ?? SHORTEST[range.name] ?? range.max - range.min + 1;
  const pause = first + count - (values.at(-1) ?? last);
  if (form === "range") return pause < step || values.length === 1;
  return size === undefined || pause !== step;
}

function steps(part: CronPart, { range, within, unit, unitMs = 0 }: Cycle): string {
  const values = valuesOfPart(part);
  const meant = `If that is meant, write "${values.join()}".`;
  if (range === MONTH)
    return `counts its ${part.step} months from January: it runs in month ${values.join(", ")}. ${meant}`;
  const span = `The time span "${showTimeSpan(part.step * unitMs)}" does${unitMs === DAY_MS ? ", counted in UTC" : ""}.`;
  return `does not run every ${part.step} ${unit}s but at ${range.name} ${values.join(", ")}, anew every ${within}. ${span} ${meant}`;
}
