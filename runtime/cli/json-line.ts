/** Results as JSON on one line, which a terminal may have as well. */
import { DIRECTION_CONTROLS, LINE_SEPARATORS } from "../core/plain-text.ts";

const UNESCAPED = new RegExp(`[\\u007f-\\u009f${LINE_SEPARATORS}${DIRECTION_CONTROLS}]`, "g");

/** With escapes for what JSON leaves as it is, and a terminal obeys or a reader of lines takes for one's end: the value is the same. */
export const jsonLine = (value: unknown): string =>
  JSON.stringify(value).replace(UNESCAPED, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
