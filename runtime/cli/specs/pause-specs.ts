/** Commands about pauses. */
import { REMOTE, type CommandSpec, type OptionSpec } from "../command-spec.ts";

const WHAT: readonly OptionSpec[] = [
  { flags: "-t, --tenant <name>", text: "the tenant; with --type: whose job type (default: your only one)" },
  { flags: "--type <jobType>", text: "one job type of the tenant" },
  { flags: "--pool <name>", text: "a pool of workers. For administrators" },
  { flags: "--queue <pool/priority>", text: "jobs of one priority in a pool, such as default/low. For administrators" },
];

export const PAUSES: readonly CommandSpec[] = [
  {
    name: "pause",
    summary: "Pause a tenant, a job type, a pool or a queue: nothing new starts.",
    examples: [
      "pause --type Thumbnails",
      `pause --tenant acme --reason "The invoice is open."`,
      "pause --queue default/low",
    ],
    options: [...REMOTE, ...WHAT, { flags: "--reason <text>", text: "for people, shown with the pause" }],
    load: async () => (await import("../commands/pauses.ts")).pause,
  },
  {
    name: "resume",
    summary: "Resume what was paused. Waiting jobs go on.",
    examples: ["resume --type Thumbnails", "resume --pool default"],
    options: [...REMOTE, ...WHAT],
    load: async () => (await import("../commands/pauses.ts")).resume,
  },
  {
    name: "pauses",
    summary: "List what is paused, since when, by whom and why.",
    examples: ["pauses"],
    options: REMOTE,
    load: async () => (await import("../commands/pauses.ts")).pauses,
  },
];
