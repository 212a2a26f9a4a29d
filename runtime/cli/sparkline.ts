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

/** 4.2 ms, 820 ms, 4.25 s, 30 s, 3 min 5 s, 2 h 5 min. */
export function showSeconds(seconds: number): string {
  if (seconds > 0 && seconds < 0.9995) {
    return `${seconds < 0.00995 ? (seconds * 1_000).toFixed(1) : Math.round(seconds * 1_000)} ms`;
  }
  if (seconds < 59.95) return `${Number.isInteger(seconds) ? seconds : seconds.toFixed(seconds < 9.995 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return [`${minutes} min`, ...(whole % 60 === 0 ? [] : [`${whole % 60} s`])].join(" ");
  return [`${Math.floor(minutes / 60)} h`, ...(minutes % 60 === 0 ? [] : [`${minutes % 60} min`])].join(" ");
}
