/**
 * A process that serves the jobs of one package version, many at a time, one after the other. It runs their code from a
 * copy of the package of its own. What ends the process interrupts all who are in it, and is the fault of a job only if
 * that was alone in it or the process itself could name it.
 *
 * | state    | meaning                                    | leaves by                                                       |
 * |----------|--------------------------------------------|-----------------------------------------------------------------|
 * | starting | package copied, child taken; jobs may wait | ready → open; it cannot be started → ending                      |
 * | open     | takes jobs while it has room               | jobs, age, memory, blocked → retiring; idle, exit, force → ending |
 * | retiring | takes no more jobs                         | the last one over, exit, force → ending                          |
 * | ending   | SIGKILL to whatever is left                | nothing left → ended                                             |
 * | ended    | its jobs are told, its directory is removed | –                                                               |
 */
import { REUSE_MEMORY_HARD_FACTOR } from "../../core/limits.ts";
import type { ModuleEntry } from "../../core/manifest.ts";
import { captureOutput } from "./captured-output.ts";
import type { ChildPool } from "./child-pool.ts";
import { sharedChildEnvironment } from "./environment.ts";
import { createHeapWitness } from "./heap-witness.ts";
import type { HostChild } from "./host-child.ts";
import type { HostReport } from "./host/messages.ts";
import { type JobHearing, createJobHearing } from "./job-hearing.ts";
import { LaunchError } from "./launch.ts";
import type { MemoryWatch } from "./memory-watch.ts";
import { PINGS_UNTIL_BLOCKED, PIPE_GRACE_MS } from "./process-limits.ts";
import { type Ended, type Run, type RunListener, crashed, failed, outOfMemory, within } from "./run.ts";
import { type EndCause, createSharedRun } from "./shared-run.ts";
import type { JobProcessSpec, SharedPackage } from "./spec.ts";
import type { Workspace, Workspaces } from "./workspace.ts";

/** When a shared process takes no more jobs; defaults: REUSE_… in core/limits.ts. */
export interface ReuseLimits {
  readonly jobsAtOnce: number;
  readonly maxJobs: number;
  readonly maxAgeMs: number;
  readonly idleMs: number;
  readonly blockedMs: number;
}

export interface SharedChildDeps {
  readonly children: Pick<ChildPool, "take">;
  readonly workspaces: Pick<Workspaces, "create">;
  readonly memory: MemoryWatch;
  readonly limits: ReuseLimits;
}

export interface SharedChildRequest {
  readonly shared: SharedPackage;
  readonly tenantName: string;
  readonly packageName: string;
  readonly memoryMb: number;
}

export interface JobRequest {
  readonly spec: JobProcessSpec;
  readonly entry: ModuleEntry;
  readonly listener: RunListener;
  readonly signal: AbortSignal;
}

export interface SharedChild {
  /** Whether another job may start in it. */
  readonly hasRoom: boolean;
  /** Takes its place at once. Throws LaunchError, or the signal's reason if it fires before the job was handed over. */
  start(request: JobRequest): Promise<Run>;
  /** Ends it; resolves when nothing is left. */
  end(): Promise<void>;
  /** Nothing is left, whoever ended it. */
  readonly gone: Promise<void>;
}

interface Opened {
  readonly host: HostChild;
  readonly home: Workspace;
  readonly drained: Promise<unknown>;
}

const MiB = 1024 * 1024;

export function startSharedChild(request: SharedChildRequest, deps: SharedChildDeps): SharedChild {
  const { limits } = deps;
  const members = new Map<number, { readonly hearing: JobHearing; readonly listener: RunListener }>();
  const heap = createHeapWitness();
  const abandoned = new AbortController();
  const timers: NodeJS.Timeout[] = [];
  let idle: NodeJS.Timeout | undefined;
  let stopWatching = (): void => undefined;
  let state: "starting" | "open" | "retiring" | "ending" = "starting";
  let lastId = 0;
  /** When it last answered, and how many questions it has not. */
  let heardAt = 0;
  let unanswered = 0;
  /** The process ends because of a job that it has named. */
  let leaving = false;
  let cause: EndCause | undefined;
  let ending: Promise<void> | undefined;
  /** Nothing runs any more; what that means for those who were in it. */
  const over = Promise.withResolvers<Ended>();

  const opening = open();
  opening.then(
    () => {
      if (state === "starting") state = "open";
      if (members.size === 0) rest();
    },
    () => void end(),
  );

  async function open(): Promise<Opened> {
    const home = await deps.workspaces.create();
    try {
      await request.shared.copyTo(home.packagePath, abandoned.signal);
      const host = await deps.children.take(abandoned.signal);
      host.listen({ report: hear, broken });
      const printed = captureOutput(host.process.child, { line: passOn, printed: () => undefined });
      void host.process.exit.then(() => end());
      host.channel.send({
        type: "share",
        workingPath: home.workingPath,
        environment: sharedChildEnvironment(request, home),
      });
      stopWatching = deps.memory.watch(host.process.tree, weigh);
      timers.push(setTimeout(retire, limits.maxAgeMs));
      timers.push(setInterval(ask, limits.blockedMs / PINGS_UNTIL_BLOCKED));
      return { host, home, drained: Promise.all([printed, host.channel.closed]) };
    } catch (error) {
      await home.remove().catch(ignore);
      throw error;
    }
  }

  function hear(report: HostReport): void {
    switch (report.type) {
      case "ready":
        return;
      case "pong":
        // Only an answer shows that it hears: a job that never pauses may well go on reporting.
        heardAt = performance.now();
        unanswered = 0;
        return;
      case "leaving":
        leaving = true;
        retire();
        return;
      case "retire":
        retire();
        return;
      case "progress":
      case "log":
      case "print":
      case "returned":
      case "failed":
        hearOf(report.id ?? 0, report);
    }
  }

  /** Ids count from 1; what is still said about an ended job is of no interest. */
  function hearOf(id: number, report: HostReport): void {
    const member = members.get(id);
    if (member !== undefined) member.hearing.hear(report);
    else if (id < 1 || id > lastId) broken("a message about no job of it");
  }

  function broken(problem: string): void {
    const fault = failed("JobCrashed", `The job's process sent ${problem}.`, true);
    void end({ why: `it sent ${problem}`, fault });
  }

  /** What nobody's context has printed: it has to go somewhere, and the oldest job is as good as any. */
  function passOn(source: "out" | "err", line: Buffer): void {
    if (source === "err") heap.see(line);
    const [oldest] = members.values();
    oldest?.listener.line(source, Buffer.concat([SHARED_LINE, line]));
  }

  function weigh(bytes: number): void {
    if (bytes <= request.memoryMb * MiB) return;
    retire();
    const hardMb = request.memoryMb * REUSE_MEMORY_HARD_FACTOR;
    if (bytes <= hardMb * MiB || members.size === 0) return;
    const fault = outOfMemory(bytes, hardMb);
    void end({ why: `it used more than ${hardMb} MiB of memory`, fault });
  }

  /** Whether it still hears. Counts questions, not time, so that a worker that was itself asleep accuses nobody. */
  function ask(): void {
    if (members.size === 0) {
      unanswered = 0;
      return;
    }
    if (unanswered >= PINGS_UNTIL_BLOCKED) {
      retire();
      // A job that is alone holds up nobody; its own limits apply.
      if (members.size > 1) void end({ why: "one of its jobs kept all others from running" });
    }
    unanswered += 1;
    void opening.then(({ host }) => host.channel.send({ type: "ping" }));
  }

  function retire(): void {
    if (state !== "starting" && state !== "open") return;
    state = "retiring";
    if (members.size === 0) void end();
  }

  function rest(): void {
    if (state === "retiring") void end();
    else if (state === "open") idle = setTimeout(() => void end(), limits.idleMs);
  }

  function release(id: number): void {
    members.delete(id);
    if (members.size === 0) rest();
  }

  function end(why?: EndCause): Promise<void> {
    cause ??= why;
    return (ending ??= finish());
  }

  async function finish(): Promise<void> {
    state = "ending";
    abandoned.abort(new LaunchError("This process is not started any more."));
    const opened = await opening.catch(ignore);
    stopWatching();
    clearTimeout(idle);
    for (const timer of timers) clearTimeout(timer);
    if (opened === undefined) return;
    const { host, home, drained } = opened;
    await host.process.clear();
    // Those who have told their end by then have ended by themselves.
    await within(PIPE_GRACE_MS, drained);
    host.channel.destroy();
    host.process.child.stdout?.destroy();
    host.process.child.stderr?.destroy();
    const exit = await host.process.exit;
    over.resolve(verdict(cause ?? { why: "it ended unexpectedly", fault: heap.exhausted(exit) ?? crashed(exit) }));
    await home.remove().catch(ignore);
  }

  /** For those who are in it at its end. */
  function verdict({ why, fault }: EndCause): Ended {
    if (members.size === 1 && !leaving && fault !== undefined) return fault;
    const reason = leaving ? "another job in it left it unusable" : why;
    return { kind: "interrupted", message: `The process that the job shared was ended because ${reason}.` };
  }

  return {
    get hasRoom() {
      return (state === "starting" || state === "open") && members.size < limits.jobsAtOnce;
    },

    async start({ spec, entry, listener, signal }) {
      const id = ++lastId;
      const hearing = createJobHearing(listener);
      members.set(id, { hearing, listener });
      clearTimeout(idle);
      if (id >= limits.maxJobs) retire();
      try {
        const { host, home } = await abortable(opening, signal);
        signal.throwIfAborted();
        if (ending !== undefined) throw new LaunchError("The process for the job has just ended.");
        host.channel.send({
          type: "run",
          id,
          job: spec.job,
          file: entry.file,
          ...(entry.export === undefined ? {} : { export: entry.export }),
          packagePath: home.packagePath,
          workingPath: spec.workspace.workingPath,
          outputPath: spec.workspace.outputPath,
        });
        void hearing.told.then(() => release(id));
        return createSharedRun({
          pid: host.process.pid,
          hearing,
          over: over.promise,
          stop: (reason) => host.channel.send({ type: "stop", id, reason }),
          heardAt: () => heardAt,
          hasCompany: () => members.size > 1,
          end: (why) => void end(why),
        });
      } catch (error) {
        release(id);
        throw error;
      }
    },

    end: () => end({ why: "the worker ended it" }),
    gone: opening.then(
      () => over.promise.then(() => end()),
      () => end(),
    ),
  };
}

const SHARED_LINE = Buffer.from("[shared] ");

const ignore = (): undefined => undefined;

/** Stops waiting when the signal says so; what is waited for goes on for others. */
async function abortable<T>(waiting: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    return await Promise.race([waiting, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
