/**
 * `jobyard jobs`, `cancel`, `requeue` and `reschedule`: lists and shows jobs, ends them, runs ended jobs again, and changes
 * when queued jobs start.
 */
import type { JobServiceClient, JobView } from "../../client/index.ts";
import { parseBatchId } from "../../core/job/ids.ts";
import { openOf } from "../../core/job/states.ts";
import {
  LONG,
  type RemoteOptions,
  connect,
  counted,
  framesOf,
  firstOf,
  show,
  showDuration,
  showInstant,
  showState,
  showValue,
  tenantOf,
} from "../command.ts";
import { JobsFailedError, UsageError } from "../exit-codes.ts";
import { startIn, type StartOptions } from "../input.ts";
import { filterOf, type FilterOptions } from "../job-filter.ts";
import { table } from "../table.ts";
import type { Surroundings, Terminal } from "../terminal.ts";
import { shortVersion } from "./packages.ts";

interface JobsOptions extends RemoteOptions, FilterOptions {
  readonly tenant?: string;
  readonly limit: number;
}

/** Finds jobs of a tenant, lists those of a batch, or shows one job with its history. */
export async function jobs(options: JobsOptions, around: Surroundings, id: string | undefined): Promise<void> {
  const { terminal, signal } = around;
  const client = await connect(options, around);
  const { monitoring } = client;
  if (id !== undefined && parseBatchId(id) === undefined) {
    const job = await monitoring.getJob(id, { signal });
    show(terminal, options, job, () => describe(job, terminal));
    return;
  }
  const { limit } = options;
  const page = { pageSize: Math.min(1_000, limit), signal };
  const filter = filterOf(options);
  const { state: _, ...others } = filter;
  const [state, ...more] = options.state ?? [];
  const isPlain = more.length === 0 && Object.values(others).every((value) => value === undefined);
  const found =
    id !== undefined && isPlain
      ? monitoring.getJobsFromBatch(id, { state, ...page })
      : monitoring.findJobs(await tenantIn(client, options, id, around), { ...filter, batchId: id, ...page });
  const items = await firstOf(found, limit);
  show(terminal, options, { items }, () =>
    table(
      ["job", "state", { title: "name", shortens: true }, "type", "attempts", options.delayed ? "not before" : "ended"],
      items.map((job) => [
        job.jobId,
        showState(terminal, job.state),
        job.jobName,
        job.jobType,
        job.attempts,
        showInstant(options.delayed ? job.runAt : job.endedAt),
      ]),
      { ...terminal, empty: "No jobs." },
    ),
  );
}

const tenantIn = (
  client: JobServiceClient,
  { tenant }: JobsOptions,
  batchId: string | undefined,
  around: Surroundings,
): Promise<string> =>
  batchId === undefined ? tenantOf(client, tenant, around) : Promise.resolve(parseBatchId(batchId)?.tenantName ?? "");

function limitsOf({ concurrencyKey, rateKey, waitsFor }: JobView): readonly string[] {
  const keys = [concurrencyKey && `concurrency ${concurrencyKey}`, rateKey && `rate ${rateKey}`].filter(Boolean);
  return [
    ...(keys.length === 0 ? [] : [`  limits     ${keys.join(", ")}`]),
    ...(waitsFor === undefined ? [] : [`  waits for  ${waitsFor}`]),
  ];
}

function describe(job: JobView, terminal: Terminal): string {
  const { progress, failure, output, parameters, history } = job;
  const fraction = progress?.fraction === undefined ? "" : `${Math.round(progress.fraction * 100)}% `;
  return [
    `${job.jobName} (${job.jobType})`,
    `  state      ${showState(terminal, job.state)}${job.cancelWanted ? ", cancel requested" : ""}`,
    `  job        ${job.jobId}`,
    `  package    ${job.jobProcessorPackageName}${job.packageHash === undefined ? "" : `, version ${shortVersion(job.packageHash)}`}`,
    `  submitted  ${showInstant(job.submittedAt)} by ${job.submittedBy}`,
    ...(job.tags === undefined ? [] : [`  tags       ${job.tags.join(", ")}`]),
    ...(job.originJobId === undefined ? [] : [`  again from ${job.originJobId}`]),
    ...waited(job),
    ...(job.runAt === undefined ? [] : [`  not before ${showInstant(job.runAt)}`]),
    ...limitsOf(job),
    ...(parameters === undefined ? [] : [`  parameters ${showValue(parameters, terminal, VALUE_INDENT)}`]),
    ...(progress === undefined ? [] : [`  progress   ${fraction}${progress.text ?? ""}`.trimEnd()]),
    ...(failure === undefined
      ? []
      : [`  failure    ${failure.code}: ${failure.message}`, ...framesOf(failure, VALUE_INDENT)]),
    ...(output === undefined ? [] : [`  output     ${showValue(output, terminal, VALUE_INDENT)}`]),
    ...(job.artifactCount === 0 ? [] : [`  artifacts  ${job.artifactCount}`]),
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

/** Column where the values of a description start. */
const VALUE_INDENT = 13;

/** The time from the possible start to the first start. More workers would reduce it. */
function waited({ history, submittedAt, runAt, state }: JobView): readonly string[] {
  const first = history.find(({ execution }) => execution === 1);
  // After the first start, `runAt` belongs to a retry.
  if (first !== undefined) return [`  waited     ${showDuration(submittedAt, first.startedAt)} until its first start`];
  const now = new Date().toISOString();
  const from = runAt ?? submittedAt;
  return state === "queued" && history.length === 0 && from < now
    ? [`  waiting    for ${showDuration(from, now)}`]
    : [];
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
    // The result is indented.
    { columns: columns - 2, empty: "" },
  );

/** Ends a job, or all jobs of a batch. */
export async function cancel(options: RemoteOptions, around: Surroundings, id: string): Promise<void> {
  const { terminal, signal } = around;
  const { management } = await connect(options, around, LONG);
  if (parseBatchId(id) === undefined) {
    const job = await management.cancelJob(id, { signal });
    const text = job.state === "running" ? "running, cancel requested" : showState(terminal, job.state);
    show(terminal, options, job, () => text);
    return;
  }
  const batch = await management.cancelBatch(id, { signal });
  const open = batch.counts === undefined ? 0 : openOf(batch.counts);
  show(terminal, options, batch, () =>
    open === 0 ? "All jobs have ended." : `Cancel requested for ${counted(open, "job")}.`,
  );
}

interface RescheduleOptions extends RemoteOptions, StartOptions {}

/** Changes when a queued job may start. */
export async function reschedule(options: RescheduleOptions, around: Surroundings, jobId: string): Promise<void> {
  const { terminal, signal } = around;
  const start = startIn(options);
  if (Object.keys(start).length === 0) throw new UsageError("When? Use --at or --delay; --delay 0 is now.");
  const { management } = await connect(options, around);
  const job = await management.rescheduleJob(jobId, start, { signal });
  show(terminal, options, job, () => `${job.state}, not before ${showInstant(job.runAt)}`);
}

interface RequeueOptions extends RemoteOptions {
  readonly state: "failed" | "canceled";
}

/** Runs ended jobs again, or the failed or canceled ones of a batch. */
export async function requeue(options: RequeueOptions, around: Surroundings, ids: readonly string[]): Promise<void> {
  const { terminal, signal } = around;
  const batches = ids.filter((id) => parseBatchId(id) !== undefined);
  const [batchId] = batches;
  if (batchId !== undefined && ids.length > 1) throw new UsageError("Give job ids, or one batch id.");
  const { management } = await connect(options, around, LONG);
  if (batchId !== undefined) {
    const requeued = await management.requeueBatch(batchId, { state: options.state }, { signal });
    show(terminal, options, { requeued }, () => `${counted(requeued, "job runs", "jobs run")} again.`);
    return;
  }
  const results = await management.requeueJobs(ids, { signal });
  const refused = results.flatMap((result) => ("error" in result ? [result] : []));
  for (const { jobId, error } of refused) terminal.error(`${jobId}: ${error.message} (${error.code})`);
  show(
    terminal,
    options,
    { results },
    () => `${counted(results.length - refused.length, "job runs", "jobs run")} again.`,
  );
  if (refused.length > 0) throw new JobsFailedError();
}
