/**
 * A process that serves the jobs of one package version, many at a time, one after the other. It runs their code from a
 * copy of the package of its own. When the process ends, all jobs in it are interrupted. It is the fault of a job only if
 * that job was alone in it, or if the process itself could name it.
 *
 * | state    | meaning                                    | leaves by                                                        |
 * |----------|--------------------------------------------|------------------------------------------------------------------|
 * | starting | package copied, child taken; jobs may wait | ready → open or idle; it cannot be started → ending              |
 * | open     | jobs run; takes more while it has room     | last job over → idle; jobs, age, memory, blocked → retiring      |
 * | idle     | no job is in it                            | a job → open; age, memory → retiring; idle for too long → ending |
 * | retiring | takes no more jobs                         | the last one over → ending                                       |
 * | ending   | SIGKILL to whatever is left                | nothing is left: its jobs have ended, its directory is removed   |
 *
 * From every state: the process exits, breaks the protocol, exceeds the hard limit of memory, or the worker ends it →
 * ending.
 */
import { InvariantError } from "../../../core/errors.ts";
import { REUSE_MEMORY_HARD_FACTOR } from "../../../core/limits.ts";
import type { ModuleEntry } from "../../../core/package/manifest.ts";
import { abortable } from "../../../core/sleep.ts";
import { type MemoryWatch, startAnswerWatch } from "../watches.ts";
import type { HostReport } from "../host/messages.ts";
import { type JobReports, createJobReports } from "../module/job-reports.ts";
import { LaunchError } from "../os/launch.ts";
import { type Ended, type Run, type RunListener, failed, outOfMemory } from "../run.ts";
import type { Workspace } from "../files/workspace.ts";
import { type EndCause, createSharedRun } from "./shared-run.ts";
import { createSpareDirectories } from "./spare-directories.ts";
import type { SharedProcessSpec } from "../spec.ts";
import { type WarmHost, type WarmHostDeps, type WarmHostRequest, openWarmHost } from "./warm-host.ts";

/** When a shared process takes no more jobs; defaults: REUSE_… in core/limits.ts, and KILL_PATIENCE_MS. */
export interface ReuseLimits {
  readonly jobsAtOnce: number;
  readonly maxJobs: number;
  readonly maxAgeMs: number;
  readonly idleMs: number;
  readonly blockedMs: number;
  readonly killPatienceMs: number;
}

export interface SharedChildDeps extends Omit<WarmHostDeps, "listener"> {
  readonly memory: MemoryWatch;
  readonly limits: ReuseLimits;
}

export interface SharedChildRequest extends WarmHostRequest {
  readonly memoryMb: number;
}

export interface JobRequest {
  readonly spec: SharedProcessSpec;
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
  /** Resolves when nothing is left, whatever the reason for its end. */
  readonly gone: Promise<void>;
}

type State =
  | { readonly kind: "starting" | "open" | "retiring" }
  | { readonly kind: "idle"; readonly since: number; readonly timer: NodeJS.Timeout }
  | { readonly kind: "ending"; readonly done: Promise<void> };

const LEADS_TO: Readonly<Record<State["kind"], readonly State["kind"][]>> = {
  starting: ["open", "retiring", "ending"],
  open: ["idle", "retiring", "ending"],
  idle: ["open", "retiring", "ending"],
  retiring: ["ending"],
  ending: [],
};

interface Member {
  readonly reports: JobReports;
  readonly listener: RunListener;
  /** Given to the job when it starts. */
  workspace: Workspace | undefined;
  /** It has asked for them. Until then they can be given to another job. */
  hasFiles: boolean;
}

const MiB = 1024 * 1024;

export function startSharedChild(request: SharedChildRequest, deps: SharedChildDeps): SharedChild {
  const { limits } = deps;
  /** The jobs in it, the oldest first, by ids that count from 1. */
  const members = new Map<number, Member>();
  let lastId = 0;
  const directories = createSpareDirectories(deps.workspaces);
  let state: State = { kind: "starting" };
  let host: WarmHost | undefined;
  /** The process has said that a job left it unusable, and ends because of that. */
  let leftUnusable = false;
  /** The first reason to end it counts. */
  let cause: EndCause | undefined;
  /** Nothing runs any more; what that means for the jobs that were in it. */
  const over = Promise.withResolvers<Ended>();

  // 1. Its life: started, opened, idle or not, retired, ended.

  const abandoned = new AbortController();
  const ageing = setTimeout(retire, limits.maxAgeMs);
  const answers = startAnswerWatch({ blockedMs: limits.blockedMs, ping, onBlocked });
  const listener = { report: onReport, broken: onBroken, line: onLine, exit: () => void end() };
  const opening = openWarmHost(request, { ...deps, listener }, abandoned.signal).then((opened) => {
    host = opened;
    const stopWatching = deps.memory.watch(opened.tree, onMemory);
    if (state.kind === "starting") become({ kind: "open" });
    if (members.size === 0) onEmpty();
    return { ...opened, stopWatching };
  });
  opening.catch(() => void end());

  function become(next: State): void {
    if (!LEADS_TO[state.kind].includes(next.kind)) {
      throw new InvariantError(`A shared process went from ${state.kind} to ${next.kind}.`);
    }
    if (state.kind === "idle") clearTimeout(state.timer);
    state = next;
  }

  function onEmpty(): void {
    if (state.kind === "retiring") void end();
    if (state.kind !== "open") return;
    become({ kind: "idle", since: performance.now(), timer: setTimeout(() => void end(), limits.idleMs) });
  }

  function retire(): void {
    if (state.kind === "retiring" || state.kind === "ending") return;
    become({ kind: "retiring" });
    if (members.size === 0) void end();
  }

  function end(why?: EndCause): Promise<void> {
    cause ??= why;
    if (state.kind === "ending") return state.done;
    const done = finish();
    become({ kind: "ending", done });
    return done;
  }

  async function finish(): Promise<void> {
    clearTimeout(ageing);
    answers.stop();
    abandoned.abort(new LaunchError("This process is not started any more."));
    const opened = await opening.catch(() => undefined);
    if (opened === undefined) return;
    opened.stopWatching();
    // Jobs that have reported their end by then have ended by themselves.
    const fault = await opened.clear();
    over.resolve(meaningOfEnd(cause ?? { why: "it ended unexpectedly", fault }));
    for (const member of members.values()) await giveBack(member);
    await directories.close();
    await opened.remove();
  }

  /** For the jobs that are in it at its end. */
  function meaningOfEnd({ why, fault }: EndCause): Ended {
    if (members.size === 1 && !leftUnusable && fault !== undefined) return fault;
    const reason = leftUnusable ? "another job in it left it unusable" : why;
    const message = `The process that the job shared was ended because ${reason}.`;
    return { kind: "interrupted", code: "SharedProcessEnded", message };
  }

  // 2. What comes from the process. Nothing of it is trusted.

  function onReport(report: HostReport): void {
    switch (report.type) {
      case "ready":
        return;
      case "pong":
        // Only this shows that it answers: a job that never pauses may well go on reporting.
        answers.answered();
        return;
      case "leaving":
        leftUnusable = true;
        retire();
        return;
      case "retire":
        retire();
        return;
      case "progress":
      case "log":
      case "print":
      case "files":
      case "token":
      case "returned":
      case "failed":
        onJobReport(report.id ?? 0, report);
    }
  }

  /** Late reports about an ended job are dropped. */
  function onJobReport(id: number, report: HostReport): void {
    const member = members.get(id);
    if (member !== undefined) {
      member.hasFiles ||= report.type === "files";
      member.reports.take(report);
    } else if (id < 1 || id > lastId) onBroken("a message about no job of it");
  }

  function onBroken(problem: string): void {
    const fault = failed("JobCrashed", `The job's process sent ${problem}.`, true);
    void end({ why: `it sent ${problem}`, fault });
  }

  /** Output that cannot be attributed goes to the log of the oldest running job. */
  function onLine(source: "out" | "err", line: Buffer): void {
    const [oldest] = members.values();
    oldest?.listener.line(source, Buffer.concat([SHARED_LINE, line]));
  }

  // 3. What is watched.

  function onMemory(bytes: number): void {
    if (bytes <= request.memoryMb * MiB) return;
    retire();
    const hardMb = request.memoryMb * REUSE_MEMORY_HARD_FACTOR;
    if (bytes <= hardMb * MiB || members.size === 0) return;
    const fault = outOfMemory(bytes, hardMb);
    void end({ why: `it used more than ${hardMb} MiB of memory`, fault });
  }

  function ping(): boolean {
    host?.send({ type: "ping" });
    return host !== undefined && members.size > 0;
  }

  function onBlocked(): void {
    retire();
    // A job that is alone delays no other job; its own limits apply.
    if (members.size > 1) void end({ why: "one of its jobs kept all others from running" });
  }

  // 4. Its jobs.

  function join(member: Member): number {
    const id = ++lastId;
    members.set(id, member);
    if (state.kind === "idle") become({ kind: "open" });
    if (id >= limits.maxJobs) retire();
    return id;
  }

  async function giveBack({ workspace, hasFiles }: Member): Promise<void> {
    if (workspace !== undefined && !hasFiles) await directories.give(workspace);
  }

  function leave(id: number): void {
    const member = members.get(id);
    members.delete(id);
    if (member !== undefined) void giveBack(member);
    if (members.size === 0) onEmpty();
  }

  async function start({ spec, entry, listener: jobListener, signal }: JobRequest): Promise<Run> {
    const reports = createJobReports(jobListener, (request, answer) =>
      host?.send({ type: "token", id, request, answer }),
    );
    const member: Member = { reports, listener: jobListener, workspace: undefined, hasFiles: false };
    const id = join(member);
    try {
      const { pid, packagePath, lease, send } = await abortable(opening, signal);
      const assertOpen = (): void => {
        signal.throwIfAborted();
        if (state.kind === "ending") throw new LaunchError("The process for the job has just ended.");
      };
      // Before and after: an ended process may have given its user back.
      assertOpen();
      const workspace = await directories.take(lease);
      member.workspace = workspace;
      assertOpen();
      const code = { file: entry.file, ...(entry.export === undefined ? {} : { export: entry.export }), packagePath };
      const { workingPath, outputPath } = workspace;
      const settings = spec.settings && { settings: spec.settings.values };
      send({ type: "run", id, job: spec.job, ...code, workingPath, outputPath, ...settings });
      void reports.ended.then(() => leave(id));
      return createSharedRun({
        pid,
        workspace: () => (member.hasFiles ? workspace : undefined),
        reports,
        over: over.promise,
        stop: (reason) => send({ type: "stop", id, reason }),
        answeredAt: answers.answeredAt,
        hasCompany: () => members.size > 1,
        killPatienceMs: limits.killPatienceMs,
        end: (why) => void end(why),
      });
    } catch (error) {
      leave(id);
      throw error;
    }
  }

  return {
    get idleSince() {
      return state.kind === "idle" ? state.since : undefined;
    },
    get hasRoom() {
      const takesJobs = state.kind === "starting" || state.kind === "open" || state.kind === "idle";
      return takesJobs && members.size < limits.jobsAtOnce;
    },
    start,
    end: () => end({ why: "the worker ended it" }),
    gone: opening.then(
      () => over.promise.then(() => end()),
      () => end(),
    ),
  };
}

const SHARED_LINE = Buffer.from("[shared] ");
