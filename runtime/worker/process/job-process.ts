/**
 * One attempt from its start to the moment when nothing of it runs any more: limits of time, silence and memory, stop
 * with grace, force, and what the end means. How modules and commands run is in files of their own. States: see
 * `JobProcess`.
 */
import { InvariantError, isSystemError, messageOf } from "../../core/errors.ts";
import { GRACE_DEFAULT_MS, LOG_MAX_BYTES } from "../../core/limits.ts";
import { type Interruption, interruptionOf, isMachineFault } from "../attempt/machine-fault.ts";
import type { InspectSettings } from "../../core/settings/worker-settings.ts";
import { type AttemptLog, createAttemptLog } from "./log/attempt-log.ts";
import { createRedactor } from "./log/redactor.ts";
import type { ChildPool } from "./module/child-pool.ts";
import { startCommand } from "./command-run.ts";
import { type MemoryWatch, startIdleLimit } from "./watches.ts";
import type { JobUsers } from "./os/job-users.ts";
import type { Launcher } from "./os/launch.ts";
import { startModule } from "./module/module-run.ts";
import { EXIT_GRACE_MS, PIPE_GRACE_MS, PROGRESS_INTERVAL_MS } from "./process-limits.ts";
import { mergeProgress } from "./progress.ts";
import { type EndFacts, endOf } from "./end-of.ts";
import { type Run, type RunListener, type Stop, failed, within } from "./run.ts";
import type { SharedChildren } from "./shared/shared-children.ts";
import type { JobProcess, JobProcessSpec, ProcessResult } from "./spec.ts";
import type { Clock } from "../../core/clock.ts";

export interface JobProcessDeps {
  readonly launcher: Launcher;
  readonly users: JobUsers;
  readonly children: ChildPool;
  readonly sharedChildren: Pick<SharedChildren, "start">;
  readonly memory: MemoryWatch;
  /** For jobs that declare none. */
  readonly memoryMb: number;
  /** What every child sees of the worker's environment. */
  readonly environment: Readonly<Record<string, string>> & { readonly PATH: string };
  readonly now: Clock["now"];
  /** Jobs of modules stop for a debugger, and have no limits of time. */
  readonly inspect?: InspectSettings | undefined;
  readonly logMaxBytes?: number | undefined;
  /** How long it took until the job's code ran. */
  readonly onStarted?: ((ms: number) => void) | undefined;
}

export function startJobProcess(spec: JobProcessSpec, deps: JobProcessDeps): JobProcess {
  const log = createAttemptLog({ maxBytes: deps.logMaxBytes ?? LOG_MAX_BYTES, now: deps.now });
  const redactor = createRedactor(spec.settings?.secrets ?? []);
  const progress = mergeProgress(PROGRESS_INTERVAL_MS, (report) => spec.onProgress?.(redactor.progress(report)));
  // A job that stands at a breakpoint does nothing wrong.
  const isTimed = deps.inspect === undefined || spec.entry.kind === "command";
  const idle = startIdleLimit((isTimed ? spec.idleTimeoutMs : undefined) ?? Infinity, () => requestStop("idle"));
  const listener: RunListener = {
    line(source, line) {
      idle.touch();
      log.write(source, redactor.line(line));
    },
    progress(report) {
      idle.touch();
      progress.report(report);
    },
    alive: idle.touch,
    async token(scopes) {
      const refused = { refused: "This worker gives no tokens." };
      const answer = over ? refused : ((await spec.askToken?.(scopes)) ?? refused);
      if ("issued" in answer) redactor.add([answer.issued.token]);
      return answer;
    },
  };
  /** Fires when the attempt is to end for whatever reason: what has not begun does not begin. */
  const halt = new AbortController();
  const force = Promise.withResolvers<undefined>();
  const timers: NodeJS.Timeout[] = [];
  const facts: EndFacts = { spec, stop: undefined, killed: false, forced: false, exceeded: undefined };
  let run: Run | undefined;
  let over = false;

  function requestStop(reason: Stop): void {
    if (facts.stop !== undefined || over) return;
    facts.stop = reason;
    halt.abort();
    run?.stop(reason);
    forceAfter(spec.graceMs ?? GRACE_DEFAULT_MS);
  }

  function forceAfter(ms: number): void {
    timers.push(setTimeout(() => force.resolve(undefined), ms));
  }

  async function begin(): Promise<Run | ProcessResult> {
    const context = { ...deps, listener, signal: halt.signal };
    const { entry } = spec;
    try {
      if (spec.shared === undefined) {
        if (entry.kind === "command") return await startCommand(spec, entry, context);
        return await startModule(spec, entry, context);
      }
      if (entry.kind === "command") throw new InvariantError("A command cannot share a process.");
      return await deps.sharedChildren.start(spec, entry, context);
    } catch (error) {
      if (halt.signal.aborted) return endOf(facts);
      if (isSystemError(error) && error.code === "EntryPointInvalid") return failed(error.code, error.message, false);
      return { kind: "not-started", ...whyNotStarted(error) };
    }
  }

  async function execute(): Promise<ProcessResult> {
    const startedAt = performance.now();
    const begun = await begin();
    if ("kind" in begun) return begun;
    deps.onStarted?.(performance.now() - startedAt);
    run = begun;
    // It was requested while the job started.
    if (facts.stop !== undefined) run.stop(facts.stop);
    const stopWatching = watchMemory(run);
    void run.endReported.then(() => forceAfter(EXIT_GRACE_MS));
    facts.forced = (await Promise.race([run.finished.then(() => "finished"), force.promise])) === undefined;
    const left = await run.clear();
    stopWatching();
    if (left > 0) log.write("sys", `${left} processes that the job had left running were ended.`);
    await within(PIPE_GRACE_MS, run.drained);
    run.destroy();
    return endOf(facts, await run.conclude());
  }

  /** Beyond its limit a job is ended at once: it would go on taking more. */
  function watchMemory({ tree }: Run): () => void {
    if (tree === undefined) return () => undefined;
    const limitMb = spec.memoryMb ?? deps.memoryMb;
    return deps.memory.watch(tree, (bytes) => {
      if (bytes <= limitMb * MiB) return;
      facts.exceeded ??= { limitMb, bytes };
      force.resolve(undefined);
    });
  }

  noteSettings(log, spec);
  if (isTimed) timers.push(setTimeout(() => requestStop("timeout"), spec.timeoutMs));
  const result = execute()
    // An error of the worker, not of the job. The contract is that a result never rejects.
    .catch((error: unknown) => failed("JobCrashed", `The worker lost sight of the job: ${messageOf(error)}`, true))
    .then((ended) => redactor.result(ended))
    .then((ended) => {
      for (const timer of timers) clearTimeout(timer);
      idle.stop();
      over = true;
      progress.flush();
      noteEnd(log, ended);
      log.end();
      return ended;
    });

  return {
    get pid() {
      return run?.pid;
    },
    get workspace() {
      return run?.workspace;
    },
    result,
    log: log.chunks,
    cancel: requestStop,
    async kill() {
      facts.killed = true;
      halt.abort();
      force.resolve(undefined);
      await result;
    },
  };
}

const MiB = 1024 * 1024;

const whyNotStarted = (error: unknown): Interruption =>
  isMachineFault(error) ? interruptionOf(error) : { code: "ProcessNotStarted", message: messageOf(error) };

/** So that it can be found out later with what a try ran. */
function noteSettings(log: AttemptLog, { settings }: Pick<JobProcessSpec, "settings">): void {
  const versions = Object.entries(settings?.versions ?? {});
  if (versions.length === 0) return;
  log.write("sys", `Settings: ${versions.map(([name, version]) => `${name} version ${version}`).join(", ")}.`);
}

/** The last line of a log says how the attempt ended. */
function noteEnd(log: AttemptLog, ended: ProcessResult): void {
  if (ended.kind === "succeeded") return;
  if (ended.kind === "failed") log.write("sys", `${ended.code}: ${ended.message}`);
  else if (ended.kind === "interrupted" || ended.kind === "not-started") log.write("sys", ended.message);
  else if (ended.kind === "canceled") log.write("sys", ended.forced ? "Stopped by force." : "Stopped as asked.");
}
