/** Every command of `jobyard`, in the order of its help. */
import type { CommandSpec } from "../command-spec.ts";
import { ADMINISTRATION } from "./administration.ts";
import { BATCHES } from "./batches.ts";
import { JOBS } from "./jobs.ts";
import { PACKAGES } from "./packages.ts";
import { SIGNING_IN } from "./signing-in.ts";
import { TIMERS } from "./timers.ts";

export const COMMANDS: readonly CommandSpec[] = [
  ...SIGNING_IN,
  ...PACKAGES,
  ...JOBS,
  ...BATCHES,
  TIMERS,
  ...ADMINISTRATION,
  {
    name: "completion",
    summary: "Print the script for shell completion.",
    examples: ["completion bash >> ~/.bashrc", "completion zsh >> ~/.zshrc"],
    arguments: [{ name: "<shell>", text: "the shell", choices: ["bash", "zsh"] }],
    load: async () => (await import("../commands/completion.ts")).completionOf(COMMANDS),
  },
];
