/** The six fields of cron: their ranges and words, how one is read, and why one is refused and what to write instead. */
import { ScheduleError } from "../errors.ts";

export interface FieldRange {
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

export const SECOND: FieldRange = { name: "second", min: 0, max: 59 };
export const MINUTE: FieldRange = { name: "minute", min: 0, max: 59 };
export const HOUR: FieldRange = { name: "hour", min: 0, max: 23 };
export const DAY_OF_MONTH: FieldRange = { name: "day of month", min: 1, max: 31 };
export const MONTH: FieldRange = { name: "month", min: 1, max: 12, words: MONTHS };
export const DAY_OF_WEEK: FieldRange = { name: "day of week", min: 0, max: 6, words: DAYS };

// --- Reading a field -------------------------------------------------------------------------------------------------

/** The text between two commas. */
export interface CronPart {
  /** `*`, `a` (`a/n` runs to the end of the field), or `a-b`. */
  readonly form: "star" | "value" | "range";
  readonly first: number;
  readonly last: number;
  readonly step: number;
}

/** Fewer letters would be guesses: "ju" is June and July. */
const WORD_MIN_LENGTH = 3;

/** Ascending. Throws ScheduleError. */
export const valuesOfField = (text: string, range: FieldRange): readonly number[] =>
  [...new Set(partsOf(text, range).flatMap(valuesOfPart))].sort((a, b) => a - b);

/** Throws ScheduleError. */
export const partsOf = (text: string, range: FieldRange): readonly CronPart[] =>
  text.split(",").map((part) => parsePart(part, range));

export function valuesOfPart({ first, last, step }: CronPart): readonly number[] {
  const values: number[] = [];
  for (let value = first; value <= last; value += step) values.push(value);
  return values;
}

function parsePart(part: string, range: FieldRange): CronPart {
  const [, span = "", stepText] = /^([^/]+)(?:\/(\d+))?$/.exec(part) ?? [];
  const step = stepText === undefined ? 1 : Number(stepText);
  const [firstText = "", lastText, ...more] = span.split("-");
  const form = span === "*" ? "star" : lastText === undefined ? "value" : "range";
  const first = form === "star" ? range.min : valueOf(firstText, range);
  const isOpen = form === "star" || (form === "value" && stepText !== undefined);
  const last = isOpen ? range.max : valueOf(lastText ?? firstText, range);
  if (first === undefined || last === undefined || more.length > 0 || first > last || step < 1) {
    throw new ScheduleError(`Cron field ${range.name}: ${partProblem(part, range, (text) => valueOf(text, range))}`);
  }
  return { form, first, last, step };
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

// --- Why cron text is refused ----------------------------------------------------------------------------------------

/** Shorthands of other crons, and what they mean here. */
const NICKNAMES: Readonly<Record<string, string>> = {
  "@yearly": "0 0 0 1 1 *",
  "@annually": "0 0 0 1 1 *",
  "@monthly": "0 0 0 1 * *",
  "@weekly": "0 0 0 * * 0",
  "@daily": "0 0 0 * * *",
  "@midnight": "0 0 0 * * *",
  "@hourly": "0 0 * * * *",
};

/** For text that is neither six fields nor five. */
export function textProblem(text: string): string {
  const trimmed = text.trim();
  const [first = "", ...others] = trimmed.split(/\s+/);
  if (/%[^%\s]+%/.test(trimmed)) {
    return `Cron "${text}" names a setting, and settings are not read here: write the schedule itself, and give a tenant another with "jobyard timers schedule".`;
  }
  const meant = Object.hasOwn(NICKNAMES, first.toLowerCase()) ? NICKNAMES[first.toLowerCase()] : undefined;
  if (meant !== undefined) return `Cron "${text}" is a shorthand of another cron: write "${meant}".`;
  if (first.toLowerCase() === "@every") {
    return `Cron "${text}" is a shorthand of another cron: write a time span, such as "00:05:00" for every five minutes.`;
  }
  if (first.toLowerCase() === "@reboot") {
    return `Cron "${text}" is of another cron: a timer with runOnDeploy also runs once for every published version.`;
  }
  const count = trimmed === "" ? 0 : others.length + 1;
  const year = count === 7 ? " The seventh is the year of Quartz cron: leave it out." : "";
  return `Cron "${text}" must have six fields (second minute hour day month weekday), or five without the second; it has ${count}.${year}`;
}

/** Of a field's part. `valueOf`: undefined for what is no value of the field. */
function partProblem(part: string, range: FieldRange, valueOf: (text: string) => number | undefined): string {
  const { name, min, max, words } = range;
  const [span = "", step] = part.split("/");
  const ends = span.split("-");
  const ofQuartz = (text: string): string => `"${part}" is of Quartz cron: ${text}`;

  if (part.includes("%")) return `"${part}" names a setting, and settings are not read here: write the value itself.`;
  if (part === "") return "a value is missing beside a comma.";
  if (span === "?") return ofQuartz("write *.");
  if (/^(?:L(?:-\d+)?|LW|\w+L)$/i.test(span) && valueOf(span) === undefined) {
    return ofQuartz('there is no "last" here. Run on every day that it can be, and return early on the others.');
  }
  if (/^\d+W$/i.test(span)) {
    return ofQuartz(
      'there is no "nearest weekday" here. Run on every day that it can be, and return early on the others.',
    );
  }
  const [, weekday, nth] = /^(\w+)#([1-5])$/.exec(span) ?? [];
  if (weekday !== undefined && nth !== undefined) {
    const days = `${Number(nth) * 7 - 6}-${Math.min(31, Number(nth) * 7)}`;
    return ofQuartz(`write day of month ${days} and day of week ${weekday}, which must both match.`);
  }
  if (name === "day of week" && ends.includes("7")) {
    const [from = "", to] = ends;
    const instead = to === "7" && from !== "0" ? ` Write "${from === "6" ? "6" : `${from}-6`},0".` : "";
    return `"${part}": Sunday is 0, not 7.${instead}`;
  }
  if (name === "hour" && ends.includes("24")) return `"${part}": hours end at 23, and midnight is 0.`;
  if (step !== undefined && /^0+$/.test(step)) return `the step in "${part}" must be at least 1.`;
  const [first, last] = ends.map(valueOf);
  if (first !== undefined && last !== undefined && ends.length === 2 && first > last) {
    return `the range "${part}" ends before it begins. To go on past ${max}, write "${wrapped(part, range, [first, last])}".`;
  }
  if (words !== undefined && ends.some((text) => /^[a-z]{1,2}$/i.test(text))) {
    return `"${part}": words have three letters at least.`;
  }
  return `"${part}" must be of ${min}-${max}, as *, a, a-b, with /n for steps.`;
}

/** `22-2` as two ranges, or as values if it has a step. */
function wrapped(part: string, { min, max, words }: FieldRange, [first, last]: readonly [number, number]): string {
  const [span = "", stepText] = part.split("/");
  if (stepText !== undefined && Number(stepText) > 1) {
    const size = max - min + 1;
    const values: number[] = [];
    for (let value = first; value <= last + size; value += Number(stepText)) values.push(((value - min) % size) + min);
    return values.join();
  }
  const [firstText = "", lastText = ""] = span.split("-");
  const show = (value: number): string =>
    /\d/.test(span) ? String(value) : (words?.[value - min] ?? String(value)).slice(0, 3).toUpperCase();
  const upper = first === max ? firstText : `${firstText}-${show(max)}`;
  return `${upper},${last === min ? lastText : `${show(min)}-${lastText}`}`;
}
