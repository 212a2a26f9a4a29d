/** Results as JSON on one line, which a terminal may have as well. */
import { DIRECTION_CONTROLS } from "../core/plain-text.ts";

const UNESCAPED = new RegExp(`[\\u007f-\\u009f${DIRECTION_CONTROLS}]`, "g");

/** With escapes for what JSON leaves as it is and a terminal would obey: the value is the same. */
export const jsonLine = (value: unknown): string =>
  JSON.stringify(value).replace(UNESCAPED, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
