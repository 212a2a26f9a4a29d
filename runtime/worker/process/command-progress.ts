/** Progress of commands: lines on stdout in one of two forms, both kept in the log as well. */
import type { Progress } from "../../core/job.ts";
import { presentable } from "./progress.ts";

/** `::progress 0.5 Half way`, `::progress 50% Half way`, `::progress Half way`; `Progress:` in the same place. */
const FORM = /^(?:::progress(?=\s)|Progress:)\s*(?:(?<number>\d*\.?\d+)(?<percent>%)?(?=\s|$))?\s*(?<text>.*)$/s;

/** No line of progress is longer; those that are, are output. */
const MAX_BYTES = 4_096;

/** The progress a line of stdout reports; undefined for ordinary output. */
export function parseProgressLine(line: Buffer): Progress | undefined {
  if (line.length > MAX_BYTES || (line[0] !== COLON && line[0] !== LETTER_P)) return undefined;
  const groups = FORM.exec(line.toString("utf8"))?.groups;
  if (groups === undefined) return undefined;
  const { number, percent, text } = groups;
  const fraction = number === undefined ? undefined : Number(number) / (percent === undefined ? 1 : 100);
  return presentable({ fraction, text });
}

const COLON = 58;
const LETTER_P = 80;
