/** Commands on many jobs at once. */
import { ACTION_KINDS, ACTION_STATES } from "../../core/job/action.ts";
import { limit, REMOTE, TENANT, type ArgumentSpec, type CommandSpec } from "../command-spec.ts";
import { FILTER, START } from "./job-specs.ts";

const ACTION: ArgumentSpec = { name: "<actionId>", text: "the action" };

export const ACTIONS: CommandSpec = {
  name: "actions",
  summary: "Cancel, requeue, reschedule or tag many jobs of a tenant at once.",
  defaultCommand: "list",
  commands: [
    {
      name: "list",
      summary: `List a tenant's actions, newest first: ${ACTION_STATES.join(", ")}.`,
      examples: ["actions list --tenant demo"],
      options: [...REMOTE, TENANT, limit(10_000, 20)],
      load: async () => (await import("../commands/actions.ts")).listActions,
    },
    {
      name: "start",
      summary: "Count the jobs that fit; with --yes, act on all of them.",
      examples: [
        "actions start cancel --tag customer:4711",
        "actions start cancel --tag customer:4711 --yes",
        "actions start requeue --state failed --type Thumbnails --since 2h --yes",
        "actions start tag --batch <batchId> --tags reviewed --yes",
        "actions start reschedule --delayed --type Reports --delay 0 --yes",
      ],
      arguments: [{ name: "<kind>", text: "what to do", choices: ACTION_KINDS }],
      options: [
        ...REMOTE,
        TENANT,
        ...FILTER,
        { flags: "-b, --batch <batchId>", text: "only jobs of this batch" },
        { flags: "--tags <tags...>", text: "for tag and untag: the tags to add or remove" },
        ...START.map((option) => ({ ...option, text: `for reschedule: ${option.text}` })),
        { flags: "--yes", text: "act (default: only count the jobs)" },
        { flags: "--detach", text: "do not wait until it has ended" },
      ],
      load: async () => (await import("../commands/actions.ts")).startAction,
    },
    {
      name: "show",
      summary: "Show an action with its counts.",
      examples: ["actions show <actionId>"],
      arguments: [ACTION],
      options: REMOTE,
      load: async () => (await import("../commands/actions.ts")).showAction,
    },
    {
      name: "stop",
      summary: "Stop an action. What it has done stays.",
      examples: ["actions stop <actionId>"],
      arguments: [ACTION],
      options: REMOTE,
      load: async () => (await import("../commands/actions.ts")).stopAction,
    },
  ],
};
