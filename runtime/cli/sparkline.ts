/** A row of numbers as a row of small bars. */

const BARS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/** The greatest number, or `most`, has the highest bar. Zero has the lowest one, and what was not measured a dot. */
export function sparkline(numbers: readonly (number | null)[], most?: number): string {
  const top = most ?? Math.max(0, ...numbers.filter((number) => number !== null));
  return numbers.map((number) => (number === null ? "·" : barOf(number, top))).join("");
}

function barOf(number: number, top: number): string {
  if (number <= 0 || top <= 0) return BARS[0] ?? "";
  // What is not zero differs from zero.
  const height = Math.ceil((Math.min(number, top) / top) * (BARS.length - 1));
  return BARS[height] ?? "";
}
