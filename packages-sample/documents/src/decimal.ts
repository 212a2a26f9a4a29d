/** Amounts and quantities as whole numbers of their smallest unit, so that an invoice has no rounding errors of floats. */
import * as z from "zod";

/** "189.5" or 189.5 becomes 18950 with two places. */
export const decimal = (places: number) =>
  z.union([z.string(), z.number()]).transform((value, context) => {
    const [, sign = "", whole = "", part = ""] = /^(-?)(\d{1,9})(?:\.(\d+))?$/.exec(String(value)) ?? [];
    if (whole !== "" && part.length <= places) return Number(`${sign}${whole}${part.padEnd(places, "0")}`);
    const message = `expected a number with at most ${places} decimals, not ${JSON.stringify(value)}`;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });

/** Rounds to the nearest whole number, halves away from zero, so that a credit mirrors its invoice. */
export const round = (value: number): number => Math.sign(value) * Math.round(Math.abs(value));

/** 18950 → "189.50". */
export function decimalText(value: number, places: number): string {
  const text = String(Math.abs(value)).padStart(places + 1, "0");
  return `${value < 0 ? "-" : ""}${text.slice(0, -places)}.${text.slice(-places)}`;
}
