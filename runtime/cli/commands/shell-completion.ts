/** `jobyard completion <shell>`: prints a shell function that contains the current table of commands. */
import { takesValue, wordsOf, type ArgumentSpec, type CommandSpec } from "../command-spec.ts";
import type { Surroundings } from "../terminal.ts";

export const completionOf =
  (commands: readonly CommandSpec[]) =>
  (_options: object, { terminal }: Surroundings, shell: "bash" | "zsh"): Promise<void> => {
    // zsh supports bash's completion after this line.
    const before = shell === "zsh" ? "autoload -U +X compinit bashcompinit && compinit && bashcompinit\n" : "";
    terminal.out(before + bashScript(commands));
    return Promise.resolve();
  };

interface Place {
  /** `timers show`; empty before the first word. */
  readonly words: string;
  readonly spec: CommandSpec;
}

function bashScript(commands: readonly CommandSpec[]): string {
  const root: CommandSpec = { name: "jobyard", summary: "", commands, options: [{ flags: "-V, --version", text: "" }] };
  const places = placesIn(root, "");
  return `# Completion of jobyard; made by: jobyard completion
_jobyard() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" place="" word index
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    case "$place $word" in
${lines(places.flatMap(({ words, spec }) => (spec.commands ?? []).map(({ name }) => `"${words} ${name}") place="${words} ${name}" ;;`)))}
    esac
  done
  case "$place $previous" in
${lines(places.flatMap(optionValues))}
  esac
  case "$place" in
${lines(places.map(({ words, spec }) => `"${words}") _jobyard_reply "${wordsAt(spec).join(" ")}" ;;`))}
  esac
}
_jobyard_reply() { COMPREPLY=($(compgen -W "$1" -- "$current")); }
complete -o default -F _jobyard jobyard`;
}

const lines = (texts: readonly string[]): string => texts.map((text) => `    ${text}`).join("\n");

function placesIn(spec: CommandSpec, words: string): readonly Place[] {
  return [{ words, spec }, ...(spec.commands ?? []).flatMap((child) => placesIn(child, `${words} ${child.name}`))];
}

/** After an option with a value: its choices, or the shell's file names. */
function optionValues({ words, spec }: Place): readonly string[] {
  return optionsAt(spec)
    .filter(takesValue)
    .map((option) => {
      const patterns = wordsOf(option).map((word) => `"${words} ${word}"`);
      const { choices } = option;
      const reply = choices === undefined ? "COMPREPLY=()" : `_jobyard_reply "${choices.join(" ")}"`;
      return `${patterns.join("|")}) ${reply}; return ;;`;
    });
}

const wordsAt = (spec: CommandSpec): readonly string[] => [
  ...(spec.commands ?? []).map(({ name }) => name),
  ...(spec.arguments ?? []).flatMap(({ choices = [] }: ArgumentSpec) => choices),
  ...optionsAt(spec).flatMap(wordsOf),
  "--help",
];

/** Includes those of the default command. */
const optionsAt = ({ options = [], commands = [], defaultCommand }: CommandSpec) => [
  ...options,
  ...(commands.find(({ name }) => name === defaultCommand)?.options ?? []),
];
