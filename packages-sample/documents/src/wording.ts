/** Writes numbers and dates in the language of the template. */
import { NonRetryableError } from "jobyard/job";

export interface Wording {
  /** Formats cents. */
  amount(cents: number): string;
  /** Formats thousandths. */
  quantity(thousandths: number): string;
  date(date: Date): string;
}

/** Throws NonRetryableError for an invalid language tag. */
export function wordingOf(locale: string): Wording {
  try {
    const amount = new Intl.NumberFormat(locale, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
    const quantity = new Intl.NumberFormat(locale, { maximumFractionDigits: 3 });
    const date = new Intl.DateTimeFormat(locale, { dateStyle: "long", timeZone: "UTC" });
    return {
      amount: (cents) => amount.format(cents / 100),
      quantity: (thousandths) => quantity.format(thousandths / 1_000),
      date: (value) => date.format(value),
    };
  } catch (cause) {
    throw new NonRetryableError(`The template is wrong: locale: ${(cause as Error).message}.`, { cause });
  }
}
