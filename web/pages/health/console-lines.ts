/** Lines of a program's console for people: those of our logger are JSON, all others stay as they are. */

const RED = "\u001b[31m";
const YELLOW = "\u001b[33m";
const DIM = "\u001b[2m";
const RESET = "\u001b[0m";

const COLORS: ReadonlyMap<string, string> = new Map([
  ["error", RED],
  ["fatal", RED],
  ["warn", YELLOW],
]);

/** The same in every line of a program. */
const OF_PROGRAM: ReadonlySet<string> = new Set(["service", "version", "instance"]);

export const readableConsole = (text: string): string => text.split("\n").map(readableLine).join("\n");

function readableLine(line: string): string {
  const entry = entryOf(line);
  if (entry === undefined) return line;
  const { level, time, msg, ...fields } = entry;
  const shown = Object.entries(fields).filter(([name]) => !OF_PROGRAM.has(name));
  const more = shown.map(([name, value]) => `${escaped(name)}=${isWord(value) ? value : JSON.stringify(value)}`);
  const color = COLORS.get(level) ?? "";
  return `${DIM}${escaped(time.slice(11, 23))}${RESET} ${color}${escaped(level)} ${escaped(msg)}${RESET} ${DIM}${more.join(" ")}${RESET}`;
}

const isWord = (value: unknown): value is string => typeof value === "string" && /^[^\s\p{Cc}"=]+$/u.test(value);

/** Texts may be of a job: a line of it must not look like one of ours. */
const escaped = (text: string): string => JSON.stringify(text).slice(1, -1);

interface LogEntry {
  readonly level: string;
  readonly time: string;
  readonly msg: string;
}

function entryOf(line: string): LogEntry | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const entry = JSON.parse(line) as Partial<LogEntry>;
    const { level, time, msg } = entry;
    if (typeof level !== "string" || typeof time !== "string" || typeof msg !== "string") return undefined;
    return { ...entry, level, time, msg };
  } catch {
    // The first line may be cut.
    return undefined;
  }
}
