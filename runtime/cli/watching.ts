/** Shows a running job or batch: a progress bar, or plain lines without a terminal. */
import CliProgress from "cli-progress";
import type { BatchView, JobServiceClient, JobView } from "../client/index.ts";
import { openOf } from "../core/job/states.ts";
import { printable } from "../core/text.ts";
import { counted, framesOf, show, showState, showValue } from "./command.ts";
import { JobsFailedError } from "./exit-codes.ts";
import type { Surroundings, Terminal } from "./terminal.ts";

interface WatchOptions {
  readonly json?: true;
  readonly timeoutMs?: number | undefined;
}

const LOOK_EVERY_MS = 500;
/** Without a bar, a line is written at every tenth of the progress. */
const PLAIN_STEPS = 10;
const FAILURES_SHOWN = 10;
/** Column below the name of a failed job. */
const FAILURE_INDENT = 9;
/** Column where the values of a description start. */
const VALUE_INDENT = 12;

type Counts = NonNullable<BatchView["counts"]>;

/** Waits until it has ended. Throws JobsFailedError unless it succeeded. */
export async function watchJob(
  client: JobServiceClient,
  jobId: string,
  options: WatchOptions,
  { terminal, signal }: Surroundings,
): Promise<void> {
  const { timeoutMs } = options;
  if (!options.json) terminal.error(`Job ${jobId}`);
  const progress = jobProgress(terminal);
  let job: JobView;
  try {
    const onLook = (seen: JobView): void => progress.look(seen);
    job = await client.waitForJob(jobId, { timeoutMs, signal, onLook, lookEveryMs: LOOK_EVERY_MS });
  } finally {
    progress.stop();
  }
  show(terminal, options, job, () => describeEnd(job, terminal));
  if (job.state !== "succeeded") throw new JobsFailedError();
}

function describeEnd(job: JobView, terminal: Terminal): string {
  const { state, attempts, failure, output, artifactCount } = job;
  return [
    `${showState(terminal, state)} after ${counted(attempts, "attempt")}`,
    ...(failure === undefined ? [] : [`  ${failure.code}: ${failure.message}`, ...framesOf(failure, 4)]),
    ...(output === undefined ? [] : [`  output    ${showValue(output, terminal, VALUE_INDENT)}`]),
    ...(artifactCount === 0 ? [] : [`  artifacts ${artifactCount}`]),
  ].join("\n");
}

/** Waits until all jobs have ended. Throws JobsFailedError unless all succeeded. */
export async function watchBatch(
  client: JobServiceClient,
  batchId: string,
  options: WatchOptions,
  { terminal, signal }: Surroundings,
): Promise<void> {
  const { timeoutMs } = options;
  if (!options.json) terminal.error(`Batch ${batchId}`);
  const progress = terminal.screen === undefined ? plainLines(terminal) : movingBar(terminal.screen);
  let batch: BatchView;
  try {
    const onLook = ({ counts }: BatchView): void => {
      if (counts !== undefined) progress.look(counts);
    };
    batch = await client.waitForBatch(batchId, { timeoutMs, signal, onLook, lookEveryMs: LOOK_EVERY_MS });
  } finally {
    progress.stop();
  }
  const { succeeded = 0, failed = 0, canceled = 0, total = 0 } = batch.counts ?? {};
  if (failed > 0 && !options.json) await showFailures(client, batchId, terminal, signal);
  show(
    terminal,
    options,
    batch,
    () => `${counted(total, "job")}: ${succeeded} succeeded, ${failed} failed, ${canceled} canceled`,
  );
  if (succeeded < total) throw new JobsFailedError();
}

async function showFailures(
  client: JobServiceClient,
  batchId: string,
  { error, paint }: Terminal,
  signal: AbortSignal,
): Promise<void> {
  let shown = 0;
  for await (const job of client.monitoring.getJobsFromBatch(batchId, { state: "failed", signal })) {
    if (shown++ === FAILURES_SHOWN) {
      error(`  … more: jobyard jobs ${batchId} --state failed`);
      return;
    }
    // On separate lines, so that a terminal does not break an id.
    const [frame = ""] = framesOf(job.failure ?? {}, FAILURE_INDENT);
    const about = [job.jobId, job.failure?.message ?? ""].map((line) => " ".repeat(FAILURE_INDENT) + line);
    error([`  ${paint("red", "failed")} ${job.jobName}`, ...about, ...(frame === "" ? [] : [frame])].join("\n"));
  }
}

/** The states come from the service's JSON, so their type is not guaranteed. */
function numbersIn(counts: Counts): Counts {
  const said: readonly (readonly [string, unknown])[] = Object.entries(counts);
  return Object.fromEntries(said.map(([name, count]) => [name, Number(count) || 0])) as unknown as Counts;
}

interface Progress {
  look(counts: Counts): void;
  stop(): void;
}

function plainLines({ error }: Terminal): Progress {
  let last = "";
  return {
    look(counts) {
      const { total, running, failed } = counts;
      const done = total - openOf(counts);
      const step = `${Math.floor((done / Math.max(1, total)) * PLAIN_STEPS)} ${total}`;
      if (step === last) return;
      last = step;
      error(`  ${done} of ${counted(total, "job")} done, ${running} running, ${failed} failed`);
    },
    stop: () => undefined,
  };
}

/** Space beside the bar, for counts of five digits and an hour. */
const BESIDE_BAR = 56;
const BAR_MAX = 40;

function movingBar(stream: NodeJS.WriteStream): Progress {
  const bar = new CliProgress.SingleBar(
    {
      format: "  {bar} {value}/{total} {jobs}, {running} running, {failed} failed, {duration_formatted}",
      stream,
      barsize: Math.max(10, Math.min(BAR_MAX, stream.columns - BESIDE_BAR)),
      hideCursor: true,
      etaBuffer: 100,
    },
    CliProgress.Presets.shades_classic,
  );
  let isShown = false;
  return {
    look(counts) {
      // Converted to numbers, because the bar bypasses the terminal's filter.
      const numbers = numbersIn(counts);
      const { total, running, failed } = numbers;
      if (!isShown) bar.start(total, 0, { running, failed, jobs: total === 1 ? "job" : "jobs" });
      isShown = true;
      // More jobs may still be submitted.
      bar.setTotal(total);
      bar.update(total - openOf(numbers), { running, failed, jobs: total === 1 ? "job" : "jobs" });
    },
    stop: () => bar.stop(),
  };
}

export interface JobProgress {
  look(job: JobView): void;
  stop(): void;
}

/** The progress of one job: a bar on a terminal, otherwise a line for every change. */
const jobProgress = (terminal: Terminal): JobProgress =>
  terminal.screen === undefined ? changes(terminal) : movingLine(terminal.screen);

/** Without a bar, a line is written at every tenth of the progress. */
const JOB_STEPS = 10;

function changes({ error }: Terminal): JobProgress {
  let last = "";
  return {
    look(job) {
      const { fraction, text } = job.progress ?? {};
      const step = `${stateOf(job)} ${Math.floor((fraction ?? 0) * JOB_STEPS)} ${fraction === undefined ? text : ""}`;
      if (step === last) return;
      last = step;
      error(`  ${describe(job)}`);
    },
    stop: () => undefined,
  };
}

/** Space beside the bar: share, time, spaces. */
const BESIDE_JOB_BAR = 24;
const JOB_BAR_MAX = 28;
const TEXT_MIN = 20;

function movingLine(stream: NodeJS.WriteStream): JobProgress {
  const barsize = Math.max(6, Math.min(JOB_BAR_MAX, stream.columns - BESIDE_JOB_BAR - TEXT_MIN));
  const room = Math.max(0, stream.columns - BESIDE_JOB_BAR - barsize);
  const bar = new CliProgress.SingleBar(
    {
      format: "  {bar} {percentage}%, {duration_formatted}, {text}",
      stream,
      barsize,
      hideCursor: true,
      clearOnComplete: true,
    },
    CliProgress.Presets.shades_classic,
  );
  let isShown = false;
  return {
    look(job) {
      const { fraction = 0, text = "" } = job.progress ?? {};
      // The bar bypasses the terminal's filter. A line that is too long would leave remains on the screen.
      const words = printable(job.state === "running" && text !== "" ? text : stateOf(job));
      const shown = { text: words.replace(/\s+/g, " ").slice(0, room) };
      if (!isShown) bar.start(100, 0, shown);
      isShown = true;
      bar.update(Math.round(Math.min(1, Math.max(0, share(fraction))) * 100), shown);
    },
    stop: () => bar.stop(),
  };
}

/** The state comes from the service's JSON, so its type is not guaranteed. */
const share = (fraction: unknown): number => Number(fraction) || 0;

function describe(job: JobView): string {
  const { fraction, text = "" } = job.state === "running" ? (job.progress ?? {}) : {};
  const share = fraction === undefined ? "" : `${Math.round(fraction * 100)}%`;
  return [stateOf(job), share, text].filter(Boolean).join(" ");
}

function stateOf({ state, attempts, runAt, cancelWanted }: JobView): string {
  if (state === "queued" && runAt !== undefined) return `queued, not before ${runAt.slice(0, 19).replace("T", " ")}`;
  if (state === "running" && cancelWanted) return "running, cancel requested";
  return attempts > 1 ? `${state}, attempt ${attempts}` : state;
}
