/**
 * Takes the values of secrets out of what a job prints and reports. It is there against accidents, such as a logged request:
 * a job that wants to show a secret can spell it backwards. It knows a value as it is, line by line, and as JSON, base64 and
 * a part of an address write it.
 */
import type { Progress } from "../../../core/job/job.ts";
import { REDACTED_MIN_LENGTH } from "../../../core/limits.ts";
import type { ProcessResult } from "../spec.ts";

export interface Redactor {
  line(content: Uint8Array | string): Uint8Array | string;
  progress(progress: Progress): Progress;
  result(result: ProcessResult): ProcessResult;
  /** Values that the job has got meanwhile. */
  add(values: readonly string[]): void;
}

const MARK = "[redacted]";
/** The end of a progress text that was cut. */
const ELLIPSIS = "…";
/** Lines of a longer value, as of a key file. Shorter ones (`}`, `true`) occur in other texts too. */
const PART_MIN_LENGTH = 8;

export function createRedactor(values: readonly string[]): Redactor {
  const forms = new Set<string>();
  let pattern: RegExp | undefined;

  function add(more: readonly string[]): void {
    for (const form of more.flatMap(formsOf)) forms.add(asBytes(form));
    if (forms.size === 0) return;
    // The longest first, because one may be a part of another.
    const longestFirst = [...forms].sort((a, b) => b.length - a.length);
    pattern = new RegExp(longestFirst.map((form) => escaped(form)).join("|"), "g");
  }

  /** In bytes, so that text that is not UTF-8 stays as it is. */
  const inBytes = (bytes: string): string => (pattern === undefined ? bytes : bytes.replace(pattern, MARK));

  const inText = (text: string): string => {
    if (pattern === undefined) return text;
    const bytes = asBytes(text);
    const clean = inBytes(bytes);
    return clean === bytes ? text : Buffer.from(clean, "latin1").toString("utf8");
  };

  /** Of a text that may have been cut to its length: its end can be the begin of a value. */
  function inCutText(text: string): string {
    if (text.endsWith(ELLIPSIS)) return inCutText(text.slice(0, -ELLIPSIS.length)) + ELLIPSIS;
    const clean = inText(text);
    const bytes = asBytes(clean);
    const cut = Math.max(0, ...[...forms].map((form) => overlap(bytes, form)));
    return cut === 0 ? clean : Buffer.from(bytes.slice(0, -cut), "latin1").toString("utf8") + MARK;
  }

  add(values);
  return {
    line(content) {
      if (pattern === undefined) return content;
      if (typeof content === "string") return inText(content);
      const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString("latin1");
      const clean = inBytes(bytes);
      return clean === bytes ? content : Buffer.from(clean, "latin1");
    },
    progress: (progress) =>
      pattern === undefined || progress.text === undefined ? progress : { ...progress, text: inCutText(progress.text) },
    result(result) {
      if (pattern === undefined || result.kind !== "failed") return result;
      // Every text of a failure but its code, whatever fields there are.
      const told = Object.entries(result).filter(
        (entry): entry is [string, string] => !["kind", "code"].includes(entry[0]) && typeof entry[1] === "string",
      );
      return { ...result, ...Object.fromEntries(told.map(([name, text]) => [name, inCutText(text)])) };
    },
    add,
  };
}

const escaped = (form: string): string => form.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");

const asBytes = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

/** How a value may be written, without forms that are too short to mean it. */
function formsOf(value: string): string[] {
  const lines = value.split(/\r?\n/).map((line) => line.trim());
  const parts = lines.length === 1 ? [] : lines.filter((line) => line.length >= PART_MIN_LENGTH);
  const bytes = Buffer.from(value, "utf8");
  const whole = [
    value,
    value.trim(),
    JSON.stringify(value).slice(1, -1),
    encodeURIComponent(value),
    // Without padding, which not all writers add.
    bytes.toString("base64").replace(/=+$/, ""),
    bytes.toString("base64url"),
  ];
  return [...whole, ...parts].filter(
    (form) => value.length >= REDACTED_MIN_LENGTH && form.length >= REDACTED_MIN_LENGTH,
  );
}

/** How many characters of the text's end are the begin of the form: at least so many that they would be redacted, or 0. */
function overlap(text: string, form: string): number {
  for (let length = Math.min(form.length - 1, text.length); length >= REDACTED_MIN_LENGTH; length--) {
    if (text.endsWith(form.slice(0, length))) return length;
  }
  return 0;
}
