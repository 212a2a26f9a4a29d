/**
 * One attempt from its start to the moment when nothing of it runs any more: time limit, stop with grace, force, and
 * what the end means. How modules and commands are run and heard is left to them. States: see `JobProcess`.
 */
import { isSystemError, messageOf } from "../../core/errors.ts";
import { GRACE_DEFAULT_MS, LOG_MAX_BYTES } from "../../core/limits.ts";
import { type AttemptLog, createAttemptLog } from "./attempt-log.ts";
import type { ChildPool } from "./child-pool.ts";
import { startCommand } from "./command-run.ts";
import type { Launcher } from "./launch.ts";
import { startModule } from "./module-run.ts";
import { EXIT_GRACE_MS, PIPE_GRACE_MS, PROGRESS_INTERVAL_MS } from "./process-limits.ts";
import { mergeProgress } from "./progress.ts";
import { type Conclusion, type Run, type RunListener, type Stop, failed } from "./run.ts";
import type { JobProcess, JobProcessSpec, ProcessResult } from "./spec.ts";

export interface JobProcessDeps {
  readonly launcher: Launcher;
  readonly children: ChildPool;
  /** What every child sees of the worker's environment. */
  readonly environment: Readonly<Record<string, string>> & { readonly PATH: string };
  readonly now: () => Date;
  readonly logMaxBytes?: number | undefined;
}

export function startJobProcess(spec: JobProcessSpec, deps: JobProcessDeps): JobProcess {
  const log = createAttemptLog({ maxBytes: deps.logMaxBytes ?? LOG_MAX_BYTES, now: deps.now });
  const progress = mergeProgress(PROGRESS_INTERVAL_MS, (report) => spec.onProgress?.(report));
  const listener: RunListener = { line: log.write, progress: progress.report };
  /** Fires when the attempt is to end for whatever reason: what has not begun does not begin. */
  const halt = new AbortController();
  const force = Promise.withResolvers<undefined>();
  const timers: NodeJS.Timeout[] = [];
  let run: Run | undefined;
  let stop: Stop | undefined;
  let killed = false;
  let forced = false;
  let over = false;

  function requestStop(reason: Stop): void {
    if (stop !== undefined || over) return;
    stop = reason;
    halt.abort();
    run?.stop(reason);
    forceAfter(spec.graceMs ?? GRACE_DEFAULT_MS);
  }

  function forceAfter(ms: number): void {
    timers.push(setTimeout(() => force.resolve(undefined), ms));
  }

  async function begin(): Promise<Run | ProcessResult> {
    const context = { ...deps, listener, signal: halt.signal };
    try {
      return spec.entry.kind === "module"
        ? await startModule(spec, spec.entry, context)
        : await startCommand(spec, spec.entry, context);
    } catch (error) {
      if (halt.signal.aborted) return endOf({ stop, killed, forced, timeoutMs: spec.timeoutMs });
      if (isSystemError(error) && error.code === "EntryPointInvalid") return failed(error.code, error.message, false);
      return { kind: "not-started", message: messageOf(error) };
    }
  }

  async function execute(): Promise<ProcessResult> {
    const begun = await begin();
    if ("kind" in begun) return begun;
    run = begun;
    // Requested in the moment between.
    if (stop !== undefined) run.stop(stop);
    void run.told.then(() => forceAfter(EXIT_GRACE_MS));
    forced = (await Promise.race([run.process.exit, force.promise])) === undefined;
    const left = await run.process.clear();
    if (left > 0) log.write("sys", `${left} processes that the job had left running were ended.`);
    await within(PIPE_GRACE_MS, run.drained);
    run.destroy();
    const conclusion = await run.conclude(await run.process.exit);
    return endOf({ stop, killed, forced, timeoutMs: spec.timeoutMs }, conclusion);
  }

  timers.push(setTimeout(() => requestStop("timeout"), spec.timeoutMs));
  const result = execute()
    // Ours, and nothing a job should cause; the contract is that a result never rejects.
    .catch((error: unknown) => failed("JobCrashed", `The worker lost sight of the job: ${messageOf(error)}`, true))
    .then((ended) => {
      for (const timer of timers) clearTimeout(timer);
      over = true;
      progress.flush();
      noteEnd(log, ended);
      log.end();
      return ended;
    });

  return {
    get pid() {
      return run?.process.pid;
    },
    result,
    log: log.chunks,
    cancel: requestStop,
    async kill() {
      killed = true;
      halt.abort();
      force.resolve(undefined);
      await result;
    },
  };
}

interface EndFacts {
  readonly stop: Stop | undefined;
  readonly killed: boolean;
  readonly forced: boolean;
  readonly timeoutMs: number;
}

/**
 * What the attempt came to. What a job told before it was asked to stop stands. After that only an output shows that it
 * finished its work instead of stopping; and a time limit that was exceeded stays exceeded.
 */
function endOf({ stop, killed, forced, timeoutMs }: EndFacts, conclusion?: Conclusion): ProcessResult {
  if (conclusion?.told === true) {
    const { ended, stopping } = conclusion;
    const hasOutput = ended.kind === "succeeded" && ended.output !== undefined;
    if (!stopping || (hasOutput && stop !== "timeout")) return ended;
  }
  if (killed) return { kind: "killed" };
  if (stop === "timeout") {
    return failed("JobTimedOut", `The job ran longer than its limit of ${timeoutMs / 1_000} s.`, true);
  }
  if (stop !== undefined) return { kind: "canceled", reason: stop, forced };
  return conclusion?.ended ?? { kind: "killed" };
}

/** The last line of a log says how the attempt ended, for whoever reads nothing else. */
function noteEnd(log: AttemptLog, ended: ProcessResult): void {
  if (ended.kind === "succeeded") return;
  if (ended.kind === "failed") log.write("sys", `${ended.code}: ${ended.message}`);
  else if (ended.kind === "canceled") log.write("sys", ended.forced ? "Stopped by force." : "Stopped as asked.");
}

/** Whichever comes first: the work, or the end of the time. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([work, end]);
  clearTimeout(timer);
}
