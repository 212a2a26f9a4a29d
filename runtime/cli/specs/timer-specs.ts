/** Commands about timers. */
import { TIMER_OCCURRENCES_DEFAULT, TIMER_OCCURRENCES_MAX } from "../../core/limits.ts";
import { limit, REMOTE, TENANT, type ArgumentSpec, type CommandSpec } from "../command-spec.ts";

const TIMER: ArgumentSpec = { name: "<timer>", text: "package.timer, as the list has it" };

export const TIMERS: CommandSpec = {
  name: "timers",
  summary: "List a tenant's timers; look at one, pause it, resume it, run it now.",
  defaultCommand: "list",
  commands: [
    {
      name: "list",
      summary: "List them, with the next and the latest run of each.",
      examples: ["timers --tenant demo"],
      options: [...REMOTE, TENANT, limit(1_000_000, 200)],
      load: async () => (await import("../commands/timers.ts")).listTimers,
    },
    {
      name: "show",
      summary: "Look at one.",
      examples: ["timers show metadata-export.metadata-export"],
      arguments: [TIMER],
      options: [...REMOTE, TENANT],
      load: async () => (await import("../commands/timers.ts")).showTimer,
    },
    {
      name: "next",
      summary: "See when it ticks next.",
      examples: ["timers next metadata-export.metadata-export --count 20"],
      arguments: [TIMER],
      options: [
        ...REMOTE,
        TENANT,
        {
          flags: "-n, --count <count>",
          text: "how many",
          number: [1, TIMER_OCCURRENCES_MAX],
          default: TIMER_OCCURRENCES_DEFAULT,
        },
      ],
      load: async () => (await import("../commands/timers.ts")).nextTicks,
    },
    {
      name: "pause",
      summary: "Let its ticks start nothing, until it is resumed.",
      examples: ["timers pause metadata-export.metadata-export"],
      arguments: [TIMER],
      options: [...REMOTE, TENANT],
      load: async () => (await import("../commands/timers.ts")).pauseTimer,
    },
    {
      name: "resume",
      summary: "Let it tick again, from now on.",
      examples: ["timers resume metadata-export.metadata-export"],
      arguments: [TIMER],
      options: [...REMOTE, TENANT],
      load: async () => (await import("../commands/timers.ts")).resumeTimer,
    },
    {
      name: "schedule",
      summary: "Give it another schedule than its package declares, or take that back.",
      examples: [
        'timers schedule metadata-export.metadata-export "0 0 6 * * *" --time-zone Europe/Vienna',
        "timers schedule metadata-export.metadata-export --declared",
      ],
      arguments: [TIMER, { name: "[cron]", text: "cron with a field for seconds, or a time span" }],
      options: [
        ...REMOTE,
        TENANT,
        { flags: "-z, --time-zone <name>", text: "IANA name (default: UTC)" },
        { flags: "-d, --declared", text: "as its package declares, again" },
      ],
      load: async () => (await import("../commands/timers.ts")).scheduleTimer,
    },
    {
      name: "run",
      summary: "Run it now, beside its schedule.",
      examples: ["timers run metadata-export.metadata-export --wait"],
      arguments: [TIMER],
      options: [
        ...REMOTE,
        TENANT,
        { flags: "-w, --wait", text: "until the run has ended; exit code 5 unless it succeeded" },
      ],
      load: async () => (await import("../commands/timers.ts")).runTimer,
    },
  ],
};
