/**
 * Characters that text for people must not have in it: controls, which terminals obey, and controls of the direction of
 * text, which make it read as something else. For use inside the brackets of a regular expression.
 */

/** C0, DEL and C1. */
const CONTROLS = "\\u0000-\\u001f\\u007f-\\u009f";
/** Unicode's Bidi_Control: https://www.unicode.org/reports/tr9/ */
export const DIRECTION_CONTROLS = "\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069";

/** One line that reads as it is. */
export const PLAIN_LINE = new RegExp(`^[^${CONTROLS}${DIRECTION_CONTROLS}]*$`);
