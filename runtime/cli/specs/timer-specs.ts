/** Commands about timers. */
import { TIMER_OCCURRENCES_DEFAULT, TIMER_OCCURRENCES_MAX } from "../../core/limits.ts";
import { limit, REMOTE, TENANT, type ArgumentSpec, type CommandSpec } from "../command-spec.ts";

const TIMER: ArgumentSpec = { name: "<timer>", text: "package.timer, as in the list" };

export const TIMERS: CommandSpec = {
  name: "timers",
  summary: "List a tenant's timers; show, pause, resume or run one.",
  defaultCommand: "list",
  commands: [
    {
      name: "list",
      summary: "List the timers with their next and latest runs.",
      examples: ["timers --tenant demo"],
      options: [...REMOTE, TENANT, limit(1_000_000, 200)],
      load: async () => (await import("../commands/timers.ts")).listTimers,
    },
    {
      name: "show",
      summary: "Show a timer.",
      examples: ["timers show metadata-export.metadata-export"],
      arguments: [TIMER],
      options: [...REMOTE, TENANT],
      load: async () => (await import("../commands/timers.ts")).showTimer,
    },
    {
      name: "next",
      summary: "Show the next ticks of a timer.",
      examples: ["timers next metadata-export.metadata-export --count 20"],
      arguments: [TIMER],
      options: [
        ...REMOTE,
        TENANT,
        {
          flags: "-n, --count <count>",
          text: "number of ticks",
          number: [1, TIMER_OCCURRENCES_MAX],
          default: TIMER_OCCURRENCES_DEFAULT,
        },
      ],
      load: async () => (await import("../commands/timers.ts")).nextTicks,
    },
    {
      name: "pause",
      summary: "Pause a timer. Its ticks start no runs until it is resumed.",
      examples: ["timers pause metadata-export.metadata-export"],
      arguments: [TIMER],
      options: [...REMOTE, TENANT],
      load: async () => (await import("../commands/timers.ts")).pauseTimer,
    },
    {
      name: "resume",
      summary: "Resume a timer from now on.",
      examples: ["timers resume metadata-export.metadata-export"],
      arguments: [TIMER],
      options: [...REMOTE, TENANT],
      load: async () => (await import("../commands/timers.ts")).resumeTimer,
    },
    {
      name: "schedule",
      summary: "Override the declared schedule of a timer, or remove the override.",
      examples: [
        'timers schedule metadata-export.metadata-export "0 0 6 * * *" --time-zone Europe/Vienna',
        "timers schedule metadata-export.metadata-export --declared",
      ],
      arguments: [TIMER, { name: "[cron]", text: "cron with a field for seconds, or a time span" }],
      options: [
        ...REMOTE,
        TENANT,
        { flags: "-z, --time-zone <name>", text: "IANA name (default: UTC)" },
        { flags: "-d, --declared", text: "return to the declared schedule" },
      ],
      load: async () => (await import("../commands/timers.ts")).scheduleTimer,
    },
    {
      name: "run",
      summary: "Run a timer now, in addition to its schedule.",
      examples: [
        "timers run metadata-export.metadata-export --wait",
        `timers run metadata-export.metadata-export --parameters '{"day":"2026-01-31"}'`,
      ],
      arguments: [TIMER],
      options: [
        ...REMOTE,
        TENANT,
        { flags: "-p, --parameters <json>", text: "any JSON for its code, or @file" },
        { flags: "-w, --wait", text: "wait until the run has ended; exit code 5 unless it succeeded" },
      ],
      load: async () => (await import("../commands/timers.ts")).runTimer,
    },
  ],
};
