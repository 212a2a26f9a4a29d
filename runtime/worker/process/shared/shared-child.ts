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
import { REUSE_MEMORY_HARD_FACTOR } from "../../../core/limits.ts";
import type { ModuleEntry } from "../../../core/package/manifest.ts";
import { abortable } from "../../../core/sleep.ts";
import { type MemoryWatch, startAnswerWatch } from "../watches.ts";
import type { HostReport } from "../host/messages.ts";
import { type JobHearing, createJobHearing } from "../job-hearing.ts";
import { LaunchError } from "../launch.ts";
import { type Ended, type Run, type RunListener, failed, outOfMemory } from "../run.ts";
import { type EndCause, createSharedRun } from "./shared-run.ts";
import type { JobProcessSpec } from "../spec.ts";
import { type WarmHost, type WarmHostDeps, type WarmHostRequest, openWarmHost } from "./warm-host.ts";

/** When a shared process takes no more jobs; defaults: REUSE_… in core/limits.ts. */
export interface ReuseLimits {
  readonly jobsAtOnce: number;
  readonly maxJobs: number;
  readonly maxAgeMs: number;
  readonly idleMs: number;
  readonly blockedMs: number;
}

export interface SharedChildDeps extends Omit<WarmHostDeps, "listener"> {
  readonly memory: MemoryWatch;
  readonly limits: ReuseLimits;
}

export interface SharedChildRequest extends WarmHostRequest {
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
  /** Since when no job is in it, in terms of `performance.now()`; undefined while one is. */
  readonly idleSince: number | undefined;
  /** Takes its place at once. Throws LaunchError, or the signal's reason if it fires before the job was handed over. */
  start(request: JobRequest): Promise<Run>;
  /** Ends it; resolves when nothing is left. */
  end(): Promise<void>;
  /** Nothing is left, whoever ended it. */
  readonly gone: Promise<void>;
}

const MiB = 1024 * 1024;

export function startSharedChild(request: SharedChildRequest, deps: SharedChildDeps): SharedChild {
  const { limits } = deps;
  const members = new Map<number, { readonly hearing: JobHearing; readonly listener: RunListener }>();
  const abandoned = new AbortController();
  const ageing = setTimeout(retire, limits.maxAgeMs);
  const answers = startAnswerWatch({ blockedMs: limits.blockedMs, ask, onBlocked });
  let host: WarmHost | undefined;
  let idle: NodeJS.Timeout | undefined;
  let idleSince: number | undefined;
  let stopWatching = (): void => undefined;
  let state: "starting" | "open" | "retiring" | "ending" = "starting";
  let lastId = 0;
  /** The process ends because of a job that it has named. */
  let leaving = false;
  let cause: EndCause | undefined;
  let ending: Promise<void> | undefined;
  /** Nothing runs any more; what that means for those who were in it. */
  const over = Promise.withResolvers<Ended>();

  const listener = { report: hear, broken, line: passOn, exit: () => void end() };
  const opening = openWarmHost(request, { ...deps, listener }, abandoned.signal).then((opened) => {
    host = opened;
    stopWatching = deps.memory.watch(opened.tree, weigh);
    if (state === "starting") state = "open";
    if (members.size === 0) rest();
    return opened;
  });
  opening.catch(() => void end());

  function hear(report: HostReport): void {
    switch (report.type) {
      case "ready":
        return;
      case "pong":
        // Only this shows that it hears: a job that never pauses may well go on reporting.
        answers.answered();
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

  function ask(): boolean {
    host?.send({ type: "ping" });
    return host !== undefined && members.size > 0;
  }

  function onBlocked(): void {
    retire();
    // A job that is alone holds up nobody; its own limits apply.
    if (members.size > 1) void end({ why: "one of its jobs kept all others from running" });
  }

  function retire(): void {
    if (state !== "starting" && state !== "open") return;
    state = "retiring";
    if (members.size === 0) void end();
  }

  function rest(): void {
    if (state === "retiring") void end();
    else if (state === "open") {
      idle = setTimeout(() => void end(), limits.idleMs);
      idleSince = performance.now();
    }
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
    clearTimeout(ageing);
    answers.stop();
    abandoned.abort(new LaunchError("This process is not started any more."));
    const opened = await opening.catch(() => undefined);
    stopWatching();
    clearTimeout(idle);
    if (opened === undefined) return;
    // Those who have told their end by then have ended by themselves.
    const fault = await opened.clear();
    over.resolve(verdict(cause ?? { why: "it ended unexpectedly", fault }));
    await opened.remove();
  }

  /** For those who are in it at its end. */
  function verdict({ why, fault }: EndCause): Ended {
    if (members.size === 1 && !leaving && fault !== undefined) return fault;
    const reason = leaving ? "another job in it left it unusable" : why;
    const message = `The process that the job shared was ended because ${reason}.`;
    return { kind: "interrupted", code: "SharedProcessEnded", message };
  }

  return {
    get idleSince() {
      return state === "open" ? idleSince : undefined;
    },

    get hasRoom() {
      return (state === "starting" || state === "open") && members.size < limits.jobsAtOnce;
    },

    async start({ spec, entry, listener, signal }) {
      const id = ++lastId;
      const hearing = createJobHearing(listener);
      members.set(id, { hearing, listener });
      clearTimeout(idle);
      idleSince = undefined;
      if (id >= limits.maxJobs) retire();
      try {
        const { pid, packagePath, lease, send } = await abortable(opening, signal);
        const insistOnIt = (): void => {
          signal.throwIfAborted();
          if (ending !== undefined) throw new LaunchError("The process for the job has just ended.");
        };
        // Before and after: an ended process may have given its user back.
        insistOnIt();
        await spec.workspace.handOver(lease);
        insistOnIt();
        send({
          type: "run",
          id,
          job: spec.job,
          file: entry.file,
          ...(entry.export === undefined ? {} : { export: entry.export }),
          packagePath,
          workingPath: spec.workspace.workingPath,
          outputPath: spec.workspace.outputPath,
        });
        void hearing.told.then(() => release(id));
        return createSharedRun({
          pid,
          hearing,
          over: over.promise,
          stop: (reason) => send({ type: "stop", id, reason }),
          answeredAt: answers.answeredAt,
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
