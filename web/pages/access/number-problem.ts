/** What is wrong with a whole number that is typed; undefined: nothing. */
import { numberText } from "../../components/time-text.ts";

export function numberProblem(text: string, min: number, max: number): string | undefined {
  const value = Number(text);
  const isFine = /^\d+$/.test(text.trim()) && value >= min && value <= max;
  return isFine ? undefined : `must be a whole number from ${numberText(min)} to ${numberText(max)}`;
}
