/**
 * A command as data: its words, arguments and options. Help, parsing, completion and the check of docs/cli.md read the same
 * table, so they cannot differ. The code of a command is loaded when it is called.
 */
import type { Surroundings } from "./terminal.ts";

export interface OptionSpec {
  /** `-t, --tenant <name>`. Without `<…>` it is a switch. */
  readonly flags: string;
  readonly text: string;
  readonly choices?: readonly string[];
  /** The value is a whole number in this range. */
  readonly number?: readonly [min: number, max: number];
  readonly default?: string | number;
}

export interface ArgumentSpec {
  /** `<id>`, `[id]` if it is optional, `<ids...>` for any number. */
  readonly name: string;
  readonly text: string;
  readonly choices?: readonly string[];
}

/** The code of a command. Its parameters match its options and arguments in the table. */
export type Action = (options: never, around: Surroundings, ...args: never[]) => Promise<void>;

export interface CommandSpec {
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  /** Without a leading `jobyard`, unless the word appears elsewhere in the line. */
  readonly examples?: readonly string[];
  readonly arguments?: readonly ArgumentSpec[];
  readonly options?: readonly OptionSpec[];
  /** Loaded only when the command is called, so that help starts fast. */
  readonly load?: () => Promise<Action>;
  readonly commands?: readonly CommandSpec[];
  /** The one of `commands` that runs when none is named. */
  readonly defaultCommand?: string;
}

const RAW: OptionSpec = {
  flags: "--raw",
  text: "print escape sequences and control characters unchanged, on a terminal too",
};
const URL: OptionSpec = {
  flags: "--url <address>",
  text: "the service (default: JOBYARD_URL, or where you signed in)",
};
export const JSON_OPTION: OptionSpec = {
  flags: "--json",
  text: "print the result as JSON: one line, or indented on a terminal",
};
export const TENANT: OptionSpec = { flags: "-t, --tenant <name>", text: "the tenant (default: your only one)" };
export const limit = (most: number, usual: number): OptionSpec => ({
  flags: "-n, --limit <count>",
  text: "maximum number of items",
  number: [1, most],
  default: usual,
});

/** Options of every command. */
export const LOCAL: readonly OptionSpec[] = [RAW];
/** Options of commands that call the service. */
export const SERVICE: readonly OptionSpec[] = [RAW, URL];
/** Options of commands that call the service and have a result. */
export const REMOTE: readonly OptionSpec[] = [...SERVICE, JSON_OPTION];

/** Every command with an action, with its words: `timers show`. */
export function* commandsIn(
  specs: readonly CommandSpec[],
  above: readonly string[] = [],
): Generator<{ readonly words: readonly string[]; readonly spec: CommandSpec }> {
  for (const spec of specs) {
    const words = [...above, spec.name];
    if (spec.load !== undefined) yield { words, spec };
    yield* commandsIn(spec.commands ?? [], words);
  }
}

/** `-n, --limit <count>` → `-n`, `--limit`. */
export const wordsOf = ({ flags }: OptionSpec): readonly string[] => flags.replace(/\s*[<[].*$/, "").split(/,\s*/);

export const takesValue = ({ flags }: OptionSpec): boolean => /[<[]/.test(flags);
