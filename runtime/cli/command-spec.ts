/**
 * What a command is: its words, arguments and options as data. Help, parsing, completion and the check of docs/cli.md all
 * read the same table, so that they cannot differ; what a command does is loaded when it is called.
 */
import type { Surroundings } from "./terminal.ts";

export interface OptionSpec {
  /** `-t, --tenant <name>`; without `<…>` it is a switch. */
  readonly flags: string;
  readonly text: string;
  readonly choices?: readonly string[];
  /** A whole number, from and to. */
  readonly number?: readonly [min: number, max: number];
  readonly default?: string | number;
}

export interface ArgumentSpec {
  /** `<id>`, `[id]` when it may be left out, `<ids...>` for any number. */
  readonly name: string;
  readonly text: string;
  readonly choices?: readonly string[];
}

/** What a command does. Its parameters are what its options and arguments in the table say. */
export type Action = (options: never, around: Surroundings, ...args: never[]) => Promise<void>;

export interface CommandSpec {
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  /** Without `jobyard` in front, unless it stands elsewhere in the line. */
  readonly examples?: readonly string[];
  readonly arguments?: readonly ArgumentSpec[];
  readonly options?: readonly OptionSpec[];
  /** Loaded when it is called: what commands need takes longer to load than help takes to print. */
  readonly load?: () => Promise<Action>;
  readonly commands?: readonly CommandSpec[];
  /** Of `commands`: the one that is meant when none is named. */
  readonly defaultCommand?: string;
}

const RAW: OptionSpec = {
  flags: "--raw",
  text: "print escape sequences and control characters as they come, on a terminal too",
};
const URL: OptionSpec = {
  flags: "--url <address>",
  text: "the service (default: JOBYARD_URL, or where you signed in)",
};
export const JSON_OPTION: OptionSpec = {
  flags: "--json",
  text: "print the result as JSON: one line, or indented on a terminal",
};
export const TENANT: OptionSpec = { flags: "-t, --tenant <name>", text: "whose (default: your only tenant)" };
export const limit = (most: number, usual: number): OptionSpec => ({
  flags: "-n, --limit <count>",
  text: "at most so many",
  number: [1, most],
  default: usual,
});

/** Of commands that print what they come upon. */
export const LOCAL: readonly OptionSpec[] = [RAW];
/** Of commands that talk to the service. */
export const SERVICE: readonly OptionSpec[] = [RAW, URL];
/** And have a result. */
export const REMOTE: readonly OptionSpec[] = [...SERVICE, JSON_OPTION];

/** Every command that does something, with its words: `timers show`. */
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
