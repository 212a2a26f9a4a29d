/** Commands about jobs: submit, watch, list, cancel, requeue, reschedule. */
import { EXPORT_FORMATS } from "../../core/http/job-csv.ts";
import { ON_CONFLICT } from "../../core/job/unique.ts";
import { PRIORITIES } from "../../core/job/priority.ts";
import { JOB_STATES } from "../../core/job/states.ts";
import {
  limit,
  REMOTE,
  SERVICE,
  TENANT,
  type ArgumentSpec,
  type CommandSpec,
  type OptionSpec,
} from "../command-spec.ts";

const JOB: ArgumentSpec = { name: "<jobId>", text: "the job" };
const DAY_S = 24 * 60 * 60;

export const PRIORITY: OptionSpec = {
  flags: "--priority <priority>",
  text: "default: the batch's, or normal",
  choices: PRIORITIES,
};

/** When a job may start. */
export const START: readonly OptionSpec[] = [
  { flags: "--delay <seconds>", text: "earliest start, counted from now", number: [0, 366 * DAY_S] },
  { flags: "--at <instant>", text: "earliest start, such as 2030-01-31T08:00:00Z or …+02:00" },
];

const CHOICE: readonly OptionSpec[] = [
  { flags: "--type <jobType>", text: "only jobs of this type" },
  { flags: "--package <name.zip>", text: "only jobs of this package" },
  { flags: "--tag <tag>", text: "only jobs with this tag" },
  { flags: "--text <text>", text: "only jobs with this text in their name, an id or the message of their failure" },
  { flags: "--since <time>", text: "submitted then or later: an instant, or a span before now such as 2h" },
  { flags: "--until <time>", text: "submitted before: an instant, or a span before now such as 30m" },
];

/** Which jobs of a tenant. */
export const FILTER: readonly OptionSpec[] = [
  { flags: "-s, --state <states...>", text: "only jobs in this state, or in one of these", choices: JOB_STATES },
  ...CHOICE,
  { flags: "--delayed", text: "only queued jobs that may not start yet" },
];

const ARTIFACTS: CommandSpec = {
  name: "artifacts",
  summary: "List or download the files of a job.",
  commands: [
    {
      name: "list",
      summary: "List the files of the latest attempt.",
      examples: ["artifacts list <jobId>"],
      arguments: [JOB],
      options: REMOTE,
      load: async () => (await import("../commands/artifacts.ts")).listArtifacts,
    },
    {
      name: "download",
      summary:
        "Download all or some files of the latest attempt, or all as one ZIP. Existing files are not overwritten.",
      examples: [
        "artifacts download <jobId>                  # into ./<jobId>",
        "artifacts download <jobId> --to out",
        "artifacts download <jobId> report/2030.pdf",
        "artifacts download <jobId> --zip            # into ./<jobId>.zip",
      ],
      arguments: [JOB, { name: "[paths...]", text: "only these files" }],
      options: [
        ...REMOTE,
        {
          flags: "--to <directory>",
          text: "target folder (default: a new folder with the job's id)",
        },
        { flags: "--zip [file]", text: "all files as one ZIP (default: the job's id with .zip)" },
      ],
      load: async () => (await import("../commands/artifacts.ts")).downloadArtifacts,
    },
  ],
};

export const JOBS: readonly CommandSpec[] = [
  {
    name: "submit",
    summary: "Submit one job from options or a file, or many from lines of JSON.",
    examples: [
      `submit --type Greetings --package greetings.zip --parameters '{"name":"world"}' --wait`,
      "submit --file job.json --batch <batchId>",
      `submit --lines jobs.ndjson --new-batch "Year end" --wait`,
      "… | jobyard submit --lines - --batch <batchId> --json",
    ],
    options: [
      ...REMOTE,
      { flags: "--type <jobType>", text: "job type, as the package declares it" },
      { flags: "--package <name.zip>", text: "package of the job type" },
      { flags: "--name <text>", text: "a name for people (default: the job type)" },
      TENANT,
      { flags: "-p, --parameters <json>", text: "any JSON, or @file" },
      PRIORITY,
      ...START,
      { flags: "--id <text>", text: "your own id for the job; a repeated submit returns the first job" },
      { flags: "--unique-key <text>", text: "only one job of its type with this key may be queued or running" },
      {
        flags: "--on-conflict <what>",
        text: "while another one is: refuse this job, return the first, or replace the waiting one (default: refuse)",
        choices: ON_CONFLICT,
      },
      { flags: "-b, --batch <batchId>", text: "default: the tenant's batch of the day" },
      { flags: "--new-batch <name>", text: "create a batch for it first" },
      { flags: "--tag <tags...>", text: "tags to find it by; with --new-batch, of the batch" },
      { flags: "--concurrency-key <key>", text: "replaces the key of the package's limits.concurrency" },
      { flags: "--publish-later", text: "accept it before its package or job type is published" },
      { flags: "-f, --file <file>", text: "one job as JSON, in the API's format; - is standard input" },
      { flags: "--lines <file>", text: "one job in each line; - is standard input" },
      { flags: "-w, --wait", text: "wait until it has ended; exit code 5 unless all succeeded" },
    ],
    load: async () => (await import("../commands/submit.ts")).submit,
  },
  {
    name: "watch",
    summary: "Watch a batch or a job until it ends; exit code 5 unless all succeeded.",
    examples: ["watch <batchId>", "watch <jobId> --timeout 600 --json"],
    arguments: [{ name: "<id>", text: "a batch or a job" }],
    options: [
      ...REMOTE,
      {
        flags: "--timeout <seconds>",
        text: "stop waiting after this time; the jobs continue",
        number: [1, 30 * DAY_S],
      },
    ],
    load: async () => (await import("../commands/watch.ts")).watch,
  },
  {
    name: "jobs",
    summary: "Find a tenant's jobs, list those of a batch, or show one job with its history.",
    examples: [
      "jobs --state failed --type Thumbnails --since 2h",
      "jobs --tenant demo --tag customer:4711",
      "jobs --state queued running",
      "jobs --delayed",
      "jobs <batchId> --state failed",
      "jobs <jobId>",
      "jobs <batchId> --limit 100000 --json | jq -r '.items[].jobId'",
    ],
    arguments: [{ name: "[id]", text: "a batch or a job (default: all jobs of a tenant, newest first)" }],
    options: [...REMOTE, ...FILTER, TENANT, limit(1_000_000, 50)],
    load: async () => (await import("../commands/jobs.ts")).jobs,
  },
  {
    name: "export",
    summary: "Export the jobs of a tenant or a batch as JSON lines or CSV.",
    examples: [
      "export --tenant acme --output acme.ndjson",
      "export --batch <batchId> --format csv --output batch.csv",
      "export --tenant acme --state failed --since 7d | jq -r .failure.code | sort | uniq -c",
    ],
    options: [
      ...SERVICE,
      TENANT,
      { flags: "-b, --batch <batchId>", text: "only jobs of this batch" },
      { flags: "-s, --state <state>", text: "only jobs in this state", choices: JOB_STATES },
      ...CHOICE,
      { flags: "--format <format>", text: "the form of a line", choices: EXPORT_FORMATS, default: "ndjson" },
      { flags: "-o, --output <file>", text: "a new file, which is there when the export is whole (default: print)" },
    ],
    load: async () => (await import("../commands/export.ts")).exportJobs,
  },
  {
    name: "logs",
    summary: "Print the log of a job's latest start, or follow it.",
    examples: ["logs <jobId>", "logs <jobId> --follow", "logs <jobId> --start 1"],
    arguments: [JOB],
    options: [
      ...SERVICE,
      { flags: "-f, --follow", text: "follow the log until the job has ended, across retries" },
      {
        flags: "--start <number>",
        text: "which start of the job, as counted in its history",
        number: [1, 1_000_000],
      },
    ],
    load: async () => (await import("../commands/watch.ts")).logs,
  },
  {
    name: "events",
    summary: "Print the events of a job, a batch or a tenant as they happen.",
    examples: ["events <batchId>", "events --tenant demo", "events --tenant demo --json | jq .eventType"],
    arguments: [{ name: "[id]", text: "a batch or a job, until it has ended (default: everything of a tenant)" }],
    options: [
      ...SERVICE,
      { flags: "--json", text: "print each event as one line of JSON" },
      TENANT,
      { flags: "-n, --count <count>", text: "stop after this many events", number: [1, 1_000_000] },
    ],
    load: async () => (await import("../commands/events.ts")).events,
  },
  ARTIFACTS,
  {
    name: "cancel",
    summary: "Cancel a job, or all jobs of a batch. Running jobs get a grace period.",
    examples: ["cancel <jobId>", "cancel <batchId>"],
    arguments: [{ name: "<id>", text: "a job or a batch" }],
    options: REMOTE,
    load: async () => (await import("../commands/jobs.ts")).cancel,
  },
  {
    name: "requeue",
    summary: "Run ended jobs again: the given ones, or all failed jobs of a batch.",
    examples: ["requeue <jobId> <jobId>", "requeue <batchId>", "requeue <batchId> --state canceled"],
    arguments: [{ name: "<ids...>", text: "jobs, or one batch" }],
    options: [
      ...REMOTE,
      { flags: "--state <state>", text: "for a batch: which jobs", choices: ["failed", "canceled"], default: "failed" },
    ],
    load: async () => (await import("../commands/jobs.ts")).requeue,
  },
  {
    name: "reschedule",
    summary: "Change when a queued job may start: later, earlier or now.",
    examples: [
      "reschedule <jobId> --at 2027-01-31T08:00:00Z",
      "reschedule <jobId> --delay 3600",
      "reschedule <jobId> --delay 0    # now",
      "actions start reschedule --delayed --type Reports --delay 0 --yes",
    ],
    arguments: [JOB],
    options: [...REMOTE, ...START],
    load: async () => (await import("../commands/jobs.ts")).reschedule,
  },
  {
    name: "resubmit",
    summary: "Submit a job again as a new one, with other parameters.",
    examples: [`resubmit <jobId> --parameters '{"year":2026}'`],
    arguments: [JOB],
    options: [
      ...REMOTE,
      { flags: "-p, --parameters <json>", text: "any JSON, or @file (default: those of the job)" },
      { flags: "-w, --wait", text: "wait until it has ended; exit code 5 unless it succeeded" },
    ],
    load: async () => (await import("../commands/submit.ts")).resubmit,
  },
  {
    name: "dead-letters",
    summary: "List the dead letters of failed jobs with their reasons, or remove one.",
    examples: [
      "dead-letters --tenant demo",
      "dead-letters --remove jobs-default-normal/42",
      "requeue <jobId>                 # runs the job again",
    ],
    options: [
      ...REMOTE,
      { flags: "-t, --tenant <name>", text: "only dead letters of this tenant" },
      { flags: "--pool <name>", text: "worker pool (default: default)" },
      { flags: "--poison", text: "messages that no worker can read; for administrators" },
      limit(5_000, 50),
      { flags: "--remove <queue/number>", text: "remove this dead letter" },
    ],
    load: async () => (await import("../commands/dead-letters.ts")).deadLetters,
  },
];
