/** Commands about the telemetry that `npm start` keeps. */
import { JSON_OPTION, LOCAL, type CommandSpec } from "../command-spec.ts";

export const TELEMETRY: readonly CommandSpec[] = [
  {
    name: "stats",
    summary: "Show what npm start did in the last hour: jobs, failures, waits, queues, slots.",
    examples: ["stats", "stats --watch", "stats --minutes 5 --json | jq .jobTypes"],
    options: [
      ...LOCAL,
      { flags: "-w, --watch", text: "show it anew every two seconds, until Ctrl-C" },
      {
        flags: "--minutes <count>",
        text: "only the last minutes (default: since its start, at most 60)",
        number: [1, 60],
      },
      JSON_OPTION,
    ],
    load: async () => (await import("../commands/stats.ts")).stats,
  },
  {
    name: "trace",
    summary: "Show where the time of a job of npm start went, from its caller to its own code.",
    examples: ["trace <jobId>", "trace <jobId> --json | jq '.spans[].name'"],
    arguments: [{ name: "<jobId>", text: "the job, in the last hour" }],
    options: [...LOCAL, JSON_OPTION],
    load: async () => (await import("../commands/trace.ts")).trace,
  },
];
