/** `jobyard jobs <id>`: the jobs of a batch, or one job with its history. */
import { type Command, Option } from "commander";
import { parseBatchId } from "../../core/ids.ts";
import { JOB_STATES } from "../../core/states.ts";
import type { JobState, JobView } from "../../client/index.ts";
import {
  connect,
  firstOf,
  remoteCommand,
  show,
  showDuration,
  showInstant,
  showState,
  wholeNumber,
  type RemoteOptions,
} from "../command.ts";
import { table } from "../table.ts";
import type { Surroundings, Terminal } from "../terminal.ts";

interface JobsOptions extends RemoteOptions {
  readonly state?: JobState;
  readonly limit: number;
}

export const jobsCommand = (around: Surroundings): Command =>
  remoteCommand("jobs", "List the jobs of a batch, or look at one job.", [
    "jobs <batchId> --state failed",
    "jobs <jobId>",
    "jobs <batchId> --limit 100000 --json | jq -r '.items[].jobId'",
  ])
    .argument("<id>", "of a batch or of a job")
    .addOption(new Option("-s, --state <state>", "only these").choices(JOB_STATES))
    .option("-n, --limit <count>", "at most so many", wholeNumber(1, 1_000_000), 50)
    .action(async (id: string, options: JobsOptions) => {
      const { terminal, signal } = around;
      const { monitoring } = await connect(options, around);
      if (parseBatchId(id) === undefined) {
        const job = await monitoring.getJob(id, { signal });
        show(terminal, options, job, () => describe(job, terminal));
        return;
      }
      const { state, limit } = options;
      const pageSize = Math.min(1_000, limit);
      const items = await firstOf(monitoring.getJobsFromBatch(id, { state, pageSize, signal }), limit);
      show(terminal, options, { items }, () =>
        table(
          ["job", "state", { title: "name", shortens: true }, "type", "attempts", "ended"],
          items.map((job) => [
            job.jobId,
            showState(terminal, job.state),
            job.jobName,
            job.jobType,
            job.attempts,
            showInstant(job.endedAt),
          ]),
          { ...terminal, empty: "No jobs." },
        ),
      );
    });

function describe(job: JobView, terminal: Terminal): string {
  const { progress, failure, output, history } = job;
  const fraction = progress?.fraction === undefined ? "" : `${Math.round(progress.fraction * 100)}% `;
  return [
    `${job.jobName} (${job.jobType} of ${job.jobProcessorPackageName})`,
    `  state     ${showState(terminal, job.state)}${job.cancelWanted ? ", asked to end" : ""}`,
    `  job       ${job.jobId}`,
    `  submitted ${showInstant(job.submittedAt)} by ${job.submittedBy}`,
    ...(job.runAt === undefined ? [] : [`  not before ${showInstant(job.runAt)}`]),
    ...(progress === undefined ? [] : [`  progress  ${fraction}${progress.text ?? ""}`.trimEnd()]),
    ...(failure === undefined ? [] : [`  failure   ${failure.code}: ${failure.message}`]),
    ...(output === undefined ? [] : [`  output    ${JSON.stringify(output)}`]),
    ...(job.artifactCount === 0 ? [] : [`  artifacts ${job.artifactCount}`]),
    ...(history.length === 0
      ? []
      : [
          "",
          ...historyOf(history, terminal)
            .split("\n")
            .map((line) => `  ${line}`),
        ]),
  ].join("\n");
}

const historyOf = (history: JobView["history"], { columns }: Terminal): string =>
  table(
    ["start", "attempt", "worker", "started", "took", "outcome"],
    history.map((entry) => [
      entry.execution,
      entry.attempt,
      entry.workerId,
      showInstant(entry.startedAt),
      showDuration(entry.startedAt, entry.endedAt),
      [entry.outcome ?? "-", entry.code].filter(Boolean).join(" "),
    ]),
    // It is indented.
    { columns: columns - 2, empty: "" },
  );
