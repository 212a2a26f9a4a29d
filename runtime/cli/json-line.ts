/** Results as JSON that a terminal may have as well. */
import { DIRECTION_CONTROLS, LINE_SEPARATORS } from "../core/plain-text.ts";
import type { Terminal } from "./terminal.ts";

const UNESCAPED = new RegExp(`[\\u007f-\\u009f${LINE_SEPARATORS}${DIRECTION_CONTROLS}]`, "g");

/** With escapes for what JSON leaves as it is, and a terminal obeys or a reader of lines takes for one's end: the value is the same. */
export const jsonLine = (value: unknown, indent = 0): string =>
  JSON.stringify(value, null, indent).replace(
    UNESCAPED,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** For people on a terminal indented; one line for programs. */
export const jsonResult = (value: unknown, { columns }: Pick<Terminal, "columns">): string =>
  jsonLine(value, Number.isFinite(columns) ? 2 : 0);
