/**
 * Cron text as timer jobs use it: NCRONTAB, with a field for seconds. Day of month and day of week must both match,
 * unlike Unix cron, where either is enough.
 *
 * | field        | values                                |
 * |--------------|---------------------------------------|
 * | second       | 0–59; left out (five fields): 0       |
 * | minute       | 0–59                                  |
 * | hour         | 0–23                                  |
 * | day of month | 1–31                                  |
 * | month        | 1–12 or English names and beginnings  |
 * | day of week  | 0–6, Sunday is 0, or English names    |
 *
 * Each is `*`, a value, `a-b`, any of these with `/n`, or several separated by commas. `a/n` runs to the field's end.
 */
import { DAY_OF_MONTH, DAY_OF_WEEK, HOUR, MINUTE, MONTH, SECOND, textProblem, valuesOfField } from "./cron-fields.ts";
import { ScheduleError } from "../errors.ts";

/** Values that match, ascending. */
export interface CronFields {
  readonly seconds: readonly number[];
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly daysOfMonth: readonly number[];
  /** 1–12. */
  readonly months: readonly number[];
  /** 0–6. */
  readonly daysOfWeek: readonly number[];
}

/** The longest a month ever is; February in leap years. */
const MONTH_MAX_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Throws ScheduleError that names the field and what it should be; also for dates no calendar has. */
export function parseCron(text: string): CronFields {
  const [second, minute, hour, dayOfMonth, month, dayOfWeek] = fieldsOf(text);
  const fields: CronFields = {
    seconds: valuesOfField(second, SECOND),
    minutes: valuesOfField(minute, MINUTE),
    hours: valuesOfField(hour, HOUR),
    daysOfMonth: valuesOfField(dayOfMonth, DAY_OF_MONTH),
    months: valuesOfField(month, MONTH),
    daysOfWeek: valuesOfField(dayOfWeek, DAY_OF_WEEK),
  };
  const firstDay = fields.daysOfMonth[0] ?? 1;
  if (fields.months.every((each) => firstDay > (MONTH_MAX_DAYS[each - 1] ?? 0))) {
    throw new ScheduleError(`Cron "${text}" never matches: none of the months it names has a day ${firstDay}.`);
  }
  return fields;
}

/**
 * Whether the schedule means a rhythm rather than times of day: its text has `*`, `-` or `/` in seconds, minutes or
 * hours. In the hour that comes twice when clocks go back, a rhythm goes on, and a time of day comes once.
 */
export function isRhythm(text: string): boolean {
  const [second, minute, hour] = fieldsOf(text);
  return /[*/-]/.test(second + minute + hour);
}

type SixFields = readonly [string, string, string, string, string, string];

/** As they are written; of five, with the second that is left out. Throws ScheduleError. */
export function fieldsOf(text: string): SixFields {
  const fields = text.trim().split(/\s+/);
  const six = fields.length === 5 ? ["0", ...fields] : fields;
  if (six.length !== 6) throw new ScheduleError(textProblem(text));
  return six as unknown as SixFields;
}
