/** Text from elsewhere as a terminal may have it: nothing in it moves the cursor, sets the title or fills the clipboard. */
import { stripVTControlCharacters } from "node:util";
import { DIRECTION_CONTROLS } from "../core/plain-text.ts";

/** All controls but tab and line feed. */
const CONTROLS = new RegExp(`[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f${DIRECTION_CONTROLS}]`, "g");

/** Whole escape sequences go; so do controls that stand alone, as in a sequence that was cut in two. */
export const printable = (text: string): string =>
  stripVTControlCharacters(text)
    // A program that rewrites its line gets a new one.
    .replace(/\r\n?/g, "\n")
    .replace(CONTROLS, "");

const UNESCAPED = new RegExp(`[\\u007f-\\u009f${DIRECTION_CONTROLS}]`, "g");

/** As JSON on one line, with escapes for what JSON leaves as it is and a terminal would obey. */
export const jsonLine = (value: unknown): string =>
  JSON.stringify(value).replace(UNESCAPED, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
