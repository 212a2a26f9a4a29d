/** The six fields of cron: what each is called, its values, and the words for them. */

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
