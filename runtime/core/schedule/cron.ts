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
import { ScheduleError } from "./schedule-error.ts";

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

interface FieldRange {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** Words for the values from `min` on. */
  readonly words?: readonly string[];
}

const MONTHS = [
  ...["january", "february", "march", "april", "may", "june"],
  ...["july", "august", "september", "october", "november", "december"],
];
const DAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

const SECOND: FieldRange = { name: "second", min: 0, max: 59 };
const MINUTE: FieldRange = { name: "minute", min: 0, max: 59 };
const HOUR: FieldRange = { name: "hour", min: 0, max: 23 };
const DAY_OF_MONTH: FieldRange = { name: "day of month", min: 1, max: 31 };
const MONTH: FieldRange = { name: "month", min: 1, max: 12, words: MONTHS };
const DAY_OF_WEEK: FieldRange = { name: "day of week", min: 0, max: 6, words: DAYS };

/** Fewer letters would be guesses: "ju" is June and July. */
const WORD_MIN_LENGTH = 3;
/** The longest a month ever is; February in leap years. */
const MONTH_MAX_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Throws ScheduleError that names the field and what it should be; also for dates no calendar has. */
export function parseCron(text: string): CronFields {
  const [second, minute, hour, dayOfMonth, month, dayOfWeek] = fieldsOf(text);
  const fields: CronFields = {
    seconds: parseField(second, SECOND),
    minutes: parseField(minute, MINUTE),
    hours: parseField(hour, HOUR),
    daysOfMonth: parseField(dayOfMonth, DAY_OF_MONTH),
    months: parseField(month, MONTH),
    daysOfWeek: parseField(dayOfWeek, DAY_OF_WEEK),
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

/** What its author may have meant otherwise, for cron that can be parsed. */
export function cronWarnings(text: string): readonly string[] {
  const fields = fieldsOf(text);
  const [second, minute, hour, dayOfMonth, , dayOfWeek] = fields;
  const warnings: string[] = [];
  if (second === "*" && minute !== "*") {
    const meant = `0 ${fields.slice(1).join(" ")}`;
    warnings.push(`Cron "${text}" runs every second of the minutes it names; "${meant}" runs once in each.`);
  }
  if (dayOfMonth !== "*" && dayOfWeek !== "*") {
    warnings.push(
      `Cron "${text}" runs on days that match both day of month "${dayOfMonth}" and day of week "${dayOfWeek}"; Unix cron would run on either.`,
    );
  }
  for (const [field, range] of [[second, SECOND] as const, [minute, MINUTE] as const, [hour, HOUR] as const]) {
    const step = Number(/^\*\/(\d+)$/.exec(field)?.[1] ?? 1);
    if ((range.max + 1) % step === 0) continue;
    const values = parseField(field, range).join(", ");
    warnings.push(
      `Cron "${text}" does not run every ${step} ${range.name}s but at ${range.name} ${values}, again and again; a time span can be every ${step} ${range.name}s.`,
    );
  }
  return warnings;
}

type SixFields = readonly [string, string, string, string, string, string];

function fieldsOf(text: string): SixFields {
  const fields = text.trim().split(/\s+/);
  const six = fields.length === 5 ? ["0", ...fields] : fields;
  if (six.length !== 6) {
    throw new ScheduleError(`Cron "${text}" must have six fields (second minute hour day month weekday), or five.`);
  }
  return six as unknown as SixFields;
}

function parseField(text: string, range: FieldRange): readonly number[] {
  const values = new Set<number>();
  for (const part of text.split(",")) for (const value of parsePart(part, range)) values.add(value);
  return [...values].sort((a, b) => a - b);
}

function parsePart(part: string, range: FieldRange): readonly number[] {
  const { name, min, max } = range;
  const [, spanText = "", stepText] = /^([^/]+)(?:\/(\d+))?$/.exec(part) ?? [];
  const wrong = (): ScheduleError =>
    new ScheduleError(`Cron field ${name}: "${part}" must be of ${min}-${max}, as *, a, a-b, with /n for steps.`);
  if (spanText === "") throw wrong();
  const step = stepText === undefined ? 1 : Number(stepText);
  if (step < 1) throw new ScheduleError(`Cron field ${name}: the step in "${part}" must be at least 1.`);
  const [firstText = "", lastText, ...more] = spanText.split("-");
  const isStar = spanText === "*";
  const first = isStar ? min : valueOf(firstText, range);
  const last =
    isStar || (lastText === undefined && stepText !== undefined) ? max : valueOf(lastText ?? firstText, range);
  if (first === undefined || last === undefined || more.length > 0 || first > last) throw wrong();
  const values: number[] = [];
  for (let value = first; value <= last; value += step) values.push(value);
  return values;
}

function valueOf(text: string, { min, max, words = [] }: FieldRange): number | undefined {
  if (/^\d{1,2}$/.test(text)) {
    const value = Number(text);
    return value >= min && value <= max ? value : undefined;
  }
  const word = text.toLowerCase();
  const index = word.length < WORD_MIN_LENGTH ? -1 : words.findIndex((known) => known.startsWith(word));
  return index === -1 ? undefined : min + index;
}
