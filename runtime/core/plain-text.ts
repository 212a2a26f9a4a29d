/**
 * Text that comes from elsewhere and is shown to people. Controls are obeyed by terminals; controls of the direction of
 * text make it read as something else. Names must not have them, and nothing is printed on a terminal with them.
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
