/** Commands about jobs: submitting, following, looking, ending, repeating. */
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

const ARTIFACTS: CommandSpec = {
  name: "artifacts",
  summary: "List or download the files a job left.",
  commands: [
    {
      name: "list",
      summary: "List the files the latest attempt left.",
      examples: ["artifacts list <jobId>"],
      arguments: [JOB],
      options: REMOTE,
      load: async () => (await import("../commands/artifacts.ts")).listArtifacts,
    },
    {
      name: "download",
      summary: "Download all files the latest attempt left, or those named; never over a file that is there.",
      examples: [
        "artifacts download <jobId>                  # into ./<jobId>",
        "artifacts download <jobId> --to out",
        "artifacts download <jobId> report/2030.pdf",
      ],
      arguments: [JOB, { name: "[paths...]", text: "only these" }],
      options: [
        ...REMOTE,
        {
          flags: "--to <directory>",
          text: "where to (default: a folder called as the job); what is there already stays as it is",
        },
      ],
      load: async () => (await import("../commands/artifacts.ts")).downloadArtifacts,
    },
  ],
};

export const JOBS: readonly CommandSpec[] = [
  {
    name: "submit",
    summary: "Submit one job, from options or a file, or many, as lines of JSON.",
    examples: [
      `submit --type Greetings --package greetings.zip --parameters '{"name":"world"}' --wait`,
      "submit --file job.json --batch <batchId>",
      `submit --lines jobs.ndjson --new-batch "Year end" --wait`,
      "… | jobyard submit --lines - --batch <batchId> --json",
    ],
    options: [
      ...REMOTE,
      { flags: "--type <jobType>", text: "what to run, as the package declares it" },
      { flags: "--package <name.zip>", text: "the package that holds it" },
      { flags: "--name <text>", text: "for people (default: the job type)" },
      TENANT,
      { flags: "-p, --parameters <json>", text: "any JSON, or @file" },
      PRIORITY,
      { flags: "--delay <seconds>", text: "not to be started before", number: [0, 366 * DAY_S] },
      { flags: "--at <instant>", text: "not to be started before, such as 2030-01-31T08:00:00Z or …+02:00" },
      { flags: "--id <text>", text: "your own id for it: submitted again, the first job is answered" },
      { flags: "-b, --batch <batchId>", text: "default: the tenant's batch of the day" },
      { flags: "--new-batch <name>", text: "make a batch for it first" },
      { flags: "--publish-later", text: "accept it although the package or its job type is not published yet" },
      { flags: "-f, --file <file>", text: "one job as JSON, as the API takes it; - is standard input" },
      { flags: "--lines <file>", text: "a job in each line; - is standard input" },
      { flags: "-w, --wait", text: "until it has ended; exit code 5 unless all succeeded" },
    ],
    load: async () => (await import("../commands/submit.ts")).submit,
  },
  {
    name: "watch",
    summary: "Watch a batch or a job until it has ended; exit code 5 unless all succeeded.",
    examples: ["watch <batchId>", "watch <jobId> --timeout 600 --json"],
    arguments: [{ name: "<id>", text: "of a batch or of a job" }],
    options: [
      ...REMOTE,
      { flags: "--timeout <seconds>", text: "give up after that; the jobs go on", number: [1, 30 * DAY_S] },
    ],
    load: async () => (await import("../commands/watch.ts")).watch,
  },
  {
    name: "jobs",
    summary: "List the jobs of a batch, or look at one job with its history.",
    examples: [
      "jobs <batchId> --state failed",
      "jobs <jobId>",
      "jobs <batchId> --limit 100000 --json | jq -r '.items[].jobId'",
    ],
    arguments: [{ name: "<id>", text: "of a batch or of a job" }],
    options: [
      ...REMOTE,
      { flags: "-s, --state <state>", text: "only these", choices: JOB_STATES },
      limit(1_000_000, 50),
    ],
    load: async () => (await import("../commands/jobs.ts")).jobs,
  },
  {
    name: "logs",
    summary: "Print the log of a job: of its latest start, or as it grows.",
    examples: ["logs <jobId>", "logs <jobId> --follow", "logs <jobId> --start 1"],
    arguments: [JOB],
    options: [
      ...SERVICE,
      { flags: "-f, --follow", text: "until the job has ended, through its retries" },
      {
        flags: "--start <number>",
        text: "of which start of the job, as its history counts them",
        number: [1, 1_000_000],
      },
    ],
    load: async () => (await import("../commands/watch.ts")).logs,
  },
  {
    name: "events",
    summary: "Print what happens to a job, a batch or a tenant, as it happens.",
    examples: ["events <batchId>", "events --tenant demo", "events --tenant demo --json | jq .eventType"],
    arguments: [{ name: "[id]", text: "of a batch or of a job, until it has ended (default: all of a tenant)" }],
    options: [
      ...SERVICE,
      { flags: "--json", text: "print each event as one line of JSON" },
      TENANT,
      { flags: "-n, --count <count>", text: "stop after so many", number: [1, 1_000_000] },
    ],
    load: async () => (await import("../commands/events.ts")).events,
  },
  ARTIFACTS,
  {
    name: "cancel",
    summary: "Cancel a job, or all jobs of a batch. Running ones get a moment to end.",
    examples: ["cancel <jobId>", "cancel <batchId>"],
    arguments: [{ name: "<id>", text: "of a job or of a batch" }],
    options: REMOTE,
    load: async () => (await import("../commands/jobs.ts")).cancel,
  },
  {
    name: "requeue",
    summary: "Run ended jobs again: those named, or all failed ones of a batch.",
    examples: ["requeue <jobId> <jobId>", "requeue <batchId>", "requeue <batchId> --state canceled"],
    arguments: [{ name: "<ids...>", text: "of jobs, or of one batch" }],
    options: [
      ...REMOTE,
      { flags: "--state <state>", text: "of a batch: which", choices: ["failed", "canceled"], default: "failed" },
    ],
    load: async () => (await import("../commands/jobs.ts")).requeue,
  },
  {
    name: "dead-letters",
    summary: "List the records of failed jobs, with their reasons; or remove one.",
    examples: [
      "dead-letters --tenant demo",
      "dead-letters --remove jobs-default-normal/42",
      "requeue <jobId>                 # runs such a job again",
    ],
    options: [
      ...REMOTE,
      { flags: "-t, --tenant <name>", text: "only this tenant's" },
      { flags: "--pool <name>", text: "of this worker pool (default: default)" },
      { flags: "--poison", text: "also messages no worker can read; for administrators" },
      limit(5_000, 50),
      { flags: "--remove <queue/number>", text: "remove this one" },
    ],
    load: async () => (await import("../commands/dead-letters.ts")).deadLetters,
  },
];
