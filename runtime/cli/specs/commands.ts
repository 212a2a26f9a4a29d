/** Every command of `jobyard`, in the order of its help. */
import type { CommandSpec } from "../command-spec.ts";
import { ACTIONS } from "./action-specs.ts";
import { ADMINISTRATION } from "./administration-specs.ts";
import { BATCHES } from "./batch-specs.ts";
import { JOBS } from "./job-specs.ts";
import { PACKAGES } from "./package-specs.ts";
import { PAUSES } from "./pause-specs.ts";
import { SETTINGS } from "./setting-specs.ts";
import { SIGNING_IN } from "./sign-in-specs.ts";
import { TELEMETRY } from "./telemetry-specs.ts";
import { TIMERS } from "./timer-specs.ts";

export const COMMANDS: readonly CommandSpec[] = [
  ...SIGNING_IN,
  ...PACKAGES,
  SETTINGS,
  ...JOBS,
  ACTIONS,
  ...BATCHES,
  TIMERS,
  ...PAUSES,
  ...ADMINISTRATION,
  ...TELEMETRY,
  {
    name: "completion",
    summary: "Print the script for shell completion.",
    examples: ["completion bash >> ~/.bashrc", "completion zsh >> ~/.zshrc"],
    arguments: [{ name: "<shell>", text: "the shell", choices: ["bash", "zsh"] }],
    load: async () => (await import("../commands/shell-completion.ts")).completionOf(COMMANDS),
  },
];
