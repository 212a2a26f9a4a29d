/** One field of cron text: its range, its parts, and the values that they name. What cannot be is told by cron-problem.ts. */
import { partProblem } from "./cron-problem.ts";
import type { FieldRange } from "./cron-ranges.ts";
import { ScheduleError } from "./schedule-error.ts";

/** Between two commas. */
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
