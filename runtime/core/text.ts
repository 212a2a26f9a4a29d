/**
 * Text for people. Foreign text is shown without control characters: terminals obey them, and controls of direction make
 * a text read as another. An unknown name is shown with the known name that was probably meant.
 */

/** C0, DEL and C1; tab and line feed lie between the first two ranges. */
const CONTROLS_BUT_LINES = "\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f";
/** Unicode's Bidi_Control: https://www.unicode.org/reports/tr9/. For use inside the brackets of a regular expression. */
export const DIRECTION_CONTROLS = "\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069";

/** Unicode's separators of lines and paragraphs: many programs begin a line there. */
export const LINE_SEPARATORS = "\\u2028\\u2029";

/** One line that reads as it is. */
export const PLAIN_LINE = new RegExp(
  `^[^\\u0009\\u000a${CONTROLS_BUT_LINES}${LINE_SEPARATORS}${DIRECTION_CONTROLS}]*$`,
);

/**
 * Escape sequences (ECMA-48): control sequences, strings with their ends, and those of two or three characters. A string
 * ends before the next beginning of one, so that text of nothing but beginnings takes no longer than other text.
 */
const ESCAPE_SEQUENCES = new RegExp(
  [
    "(?:\\u001b\\[|\\u009b)[0-?]*[ -/]*[@-~]",
    "(?:\\u001b[\\]PX^_]|[\\u0090\\u0098\\u009d-\\u009f])[^\\u0007\\u001b\\u0090\\u0098\\u009c-\\u009f]*(?:\\u0007|\\u001b\\\\|\\u009c)",
    "\\u001b[ -/]*[0-~]",
  ].join("|"),
  "g",
);
const CONTROLS = new RegExp(`[${CONTROLS_BUT_LINES}${DIRECTION_CONTROLS}]`, "g");

/** As a terminal may have it. Whole escape sequences go; so do controls that stand alone, as in a sequence cut in two. */
export const printable = (text: string): string =>
  text
    .replace(ESCAPE_SEQUENCES, "")
    // A program that rewrites its line gets a new one.
    .replace(/\r\n?/g, "\n")
    .replace(CONTROLS, "");

// --- Names that were meant -------------------------------------------------------------------------------------------

/** ` (did you mean "timeoutMs"?)`, or nothing when no known name is close. */
export function didYouMean(given: string, known: Iterable<string>): string {
  const name = closestName(given, known);
  return name === undefined ? "" : ` (did you mean ${JSON.stringify(name)}?)`;
}

/** Names of a request can be long, and comparing costs the product of two lengths. */
const NAME_MAX_LENGTH = 100;

/** The known name with the fewest letters in the wrong place, if these are less than a third. Case does not count. */
export function closestName(given: string, known: Iterable<string>): string | undefined {
  if (given.length > NAME_MAX_LENGTH) return undefined;
  let closest: string | undefined;
  let least = Infinity;
  for (const name of known) {
    if (name.length > NAME_MAX_LENGTH) continue;
    const distance = distanceOf(given.toLowerCase(), name.toLowerCase());
    if (distance >= least || distance > Math.max(given.length, name.length) / 3) continue;
    closest = name;
    least = distance;
  }
  return closest;
}

const FIELDS_SHOWN = 5;

/** `"timeoutMS" (did you mean "timeoutMs"?), "x"`: the first of the fields that are not known. */
export function showUnknown(given: readonly string[], known: readonly string[]): string {
  const shown = given.slice(0, FIELDS_SHOWN).map((name) => `${JSON.stringify(name)}${didYouMean(name, known)}`);
  const more = given.length > FIELDS_SHOWN ? ` and ${given.length - FIELDS_SHOWN} more` : "";
  return `${shown.join(", ")}${more}`;
}

/** How many letters must be added, removed, replaced or swapped with their neighbour. */
function distanceOf(a: string, b: string): number {
  /** Distances of what of `a` is read so far to each beginning of `b`: this row, and the two before. */
  let [before, above, row] = [[] as number[], [] as number[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    [before, above, row] = [above, row, [i]];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(replaced, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      }
      row.push(least);
    }
  }
  return row[b.length] ?? 0;
}
