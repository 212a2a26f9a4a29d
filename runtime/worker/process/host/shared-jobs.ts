/**
 * Jobs of one package that share this process: many at a time. Each has an asynchronous context of its own, which tells
 * whose output and whose error something is.
 *
 * | state of a job | meaning                           | leaves by                                             |
 * |----------------|-----------------------------------|-------------------------------------------------------|
 * | running        | its code is loaded, set up or runs | its end, an uncaught error in its context → ended      |
 * | ended          | the end was reported              | –                                                     |
 *
 * The process itself ends when its worker says so, or with a job that leaves it in an unknown state.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { chdir, env } from "node:process";
import { StringDecoder } from "node:string_decoder";
import { setImmediate } from "node:timers";
import { abortable } from "../../../core/sleep.ts";
import type { SetupContext } from "../../../job-sdk/index.ts";
import { type WorkerChannel, piecesOf } from "./channel.ts";
import { type JobPhase, stopReason, uncaughtEnd } from "./failure.ts";
import type { HostCommand, HostEnd, RunCommand, ShareCommand } from "./messages.ts";
import { type SetupFunction, runJob } from "./run-job.ts";
import { type SourceLines, createSourceLines, showSourceLines } from "./source-lines.ts";
import { type WorkerCredential, createWorkerCredential } from "./worker-credential.ts";

interface RunningJob {
  readonly stop: AbortController;
  readonly tokens: WorkerCredential;
  readonly printer: Printer;
  /** Fires if the job need not wait for the package's setup any more, which others may still need. */
  readonly leave: AbortController;
  phase: JobPhase;
  /** It has asked for its directories. */
  hasFiles: boolean;
  /** Nothing of it is half done any more. */
  hasReturned: boolean;
  end(ended: HostEnd): void;
}

/** What an asynchronous context belongs to: a job from its call to its return, or what it does for all (`setup`). */
interface Scope {
  readonly id: number;
  closed: boolean;
}

const exit = process.exit.bind(process);

export function prepareSharedJobs(channel: WorkerChannel, share: ShareCommand): (command: HostCommand) => void {
  const jobs = new Map<number, RunningJob>();
  const scopes = new AsyncLocalStorage<Scope>();
  const services = createServices();
  /** All jobs in here have the same copy of their package. Undefined before the first. */
  let sources: SourceLines | undefined;
  /** The process ends because of a job that was named. */
  let leaving = false;

  Object.assign(env, share.environment);
  chdir(share.workingPath);
  attributeOutput(() => currentJob()?.printer);
  process.on("uncaughtException", onUncaught);
  process.on("exit", onExit);

  return (command) => {
    switch (command.type) {
      case "share":
        break;
      case "run":
        start(command);
        break;
      case "stop": {
        channel.report({ type: "pong" });
        const reason = stopReason(command.reason);
        const job = jobs.get(command.id);
        // A setup that takes too long is ended with the process; otherwise it is for those who still wait for it.
        if (command.reason !== "timeout" && command.reason !== "idle") job?.leave.abort(reason);
        job?.stop.abort(reason);
        break;
      }
      case "token":
        jobs.get(command.id)?.tokens.answer(command.request, command.answer);
        break;
      case "ping":
        channel.report({ type: "pong" });
    }
  };

  function start(command: RunCommand): void {
    const { id } = command;
    const scope: Scope = { id, closed: false };
    const stop = new AbortController();
    const printer = createPrinter((source, text) => channel.report({ type: "print", id, source, text }));
    const tokens = createWorkerCredential((report) => {
      if (scope.closed) throw new Error("The job has ended, and its credential with it.");
      channel.report({ ...report, id });
    });
    const job: RunningJob = {
      stop,
      tokens,
      printer,
      leave: new AbortController(),
      phase: "loading",
      hasFiles: false,
      hasReturned: false,
      end(ended) {
        if (scope.closed) return;
        scope.closed = true;
        jobs.delete(id);
        printer.end();
        channel.report({ ...ended, id, stopping: stop.signal.aborted });
      },
    };
    jobs.set(id, job);
    const lines = (sources ??= prepareSources(command.packagePath));
    const running = scopes.run(scope, () =>
      runJob(command, {
        report: (report) => {
          if (!scope.closed) channel.report({ ...report, id });
        },
        signal: stop.signal,
        sources: lines,
        credential: tokens.credential,
        onPhase: (now) => (job.phase = now),
        onFiles() {
          // The next job may have them.
          if (scope.closed) throw new Error("The job has ended, and its directories with it.");
          if (!job.hasFiles) channel.report({ type: "files", id });
          job.hasFiles = true;
        },
        setUp: (setup, context) => services.get(() => setUp(id, setup, context), setup, job.leave.signal),
      }),
    );
    void running.then((ended) => {
      job.hasReturned = ended.type === "returned";
      // Node reports a rejection from before the return only after the promises that are settled already.
      if (job.hasReturned) setImmediate(() => job.end(ended));
      else job.end(ended);
    });
  }

  /** In a scope of its own: what setup starts for all jobs belongs to no job once setup has ended. */
  async function setUp(id: number, setup: SetupFunction, context: SetupContext): Promise<unknown> {
    const scope: Scope = { id, closed: false };
    try {
      return await scopes.run(scope, () => setup(context));
    } finally {
      scope.closed = true;
    }
  }

  function currentJob(): RunningJob | undefined {
    const scope = scopes.getStore();
    return scope === undefined || scope.closed ? undefined : jobs.get(scope.id);
  }

  /** The job that has caused what happens now: by its context, or because it is alone. */
  function culprit(): RunningJob | undefined {
    return currentJob() ?? (jobs.size === 1 ? [...jobs.values()][0] : undefined);
  }

  function onUncaught(error: unknown, origin: NodeJS.UncaughtExceptionOrigin): void {
    const job = currentJob();
    const { end, detail } = uncaughtEnd(error, job?.phase, sources);
    process.stderr.write(`${detail}\n`);
    if (origin === "unhandledRejection" && (job === undefined || job.hasReturned)) {
      // A promise that its job has forgotten: nothing is half done because of it, so the others may go on.
      channel.report({ type: "retire" });
      job?.end(end);
      return;
    }
    leaveBecauseOf(culprit(), end);
    exit(1);
  }

  function onExit(code: number): void {
    const message = `The job's process ended with exit code ${code} before there was a result.`;
    leaveBecauseOf(culprit(), { type: "failed", code: "JobCrashed", message, retryable: true });
  }

  /** The first one counts: the other jobs did not cause it. */
  function leaveBecauseOf(job: RunningJob | undefined, end: HostEnd): void {
    if (job === undefined || leaving) return;
    leaving = true;
    // Before the end: the worker may start the next job as soon as it reads the end, and must not start it in here.
    channel.report({ type: "leaving" });
    job.end(end);
  }
}

function prepareSources(packagePath: string): SourceLines {
  const sources = createSourceLines(packagePath);
  showSourceLines(sources);
  return sources;
}

/** What `setup` of a package made, once for all jobs of a process. */
export interface Services<Key> {
  /**
   * What `make` made for this key, now or earlier. A failure is for those who waited for it; the next one tries again.
   * Rejects with the signal's reason when that fires first.
   */
  get(make: () => Promise<unknown>, key: Key, signal: AbortSignal): Promise<unknown>;
}

function createServices<Key>(): Services<Key> {
  const made = new Map<Key, Promise<unknown>>();
  return {
    async get(make, key, signal) {
      let services = made.get(key);
      if (services === undefined) {
        services = make();
        made.set(key, services);
        services.catch(() => made.delete(key));
      }
      return abortable(services, signal);
    },
  };
}

type PrintSource = "out" | "err";

/** Sends what a job prints to its own log, although all jobs of a shared process have one stdout and one stderr. */
export interface Printer {
  print(source: PrintSource, chunk: Uint8Array): void;
  /** Passes on what is left of a character that never became whole. */
  end(): void;
}

function createPrinter(send: (source: PrintSource, text: string) => void): Printer {
  const decoders = { out: new StringDecoder("utf8"), err: new StringDecoder("utf8") };
  const pass = (source: PrintSource, text: string): void => {
    if (text === "") return;
    for (const piece of piecesOf(text)) send(source, piece);
  };
  return {
    print: (source, chunk) => pass(source, decoders[source].write(Buffer.from(chunk))),
    end() {
      pass("out", decoders.out.end());
      pass("err", decoders.err.end());
    },
  };
}

/** Output outside of any job's context goes to the process's own stdout and stderr. */
function attributeOutput(printer: () => Printer | undefined): void {
  attribute(process.stdout, "out", printer);
  attribute(process.stderr, "err", printer);
}

type Write = (chunk: Uint8Array | string, ...rest: unknown[]) => boolean;

function attribute(stream: NodeJS.WriteStream, source: PrintSource, printer: () => Printer | undefined): void {
  const original = stream.write.bind(stream) as Write;
  const write: Write = (chunk, ...rest) => {
    const target = printer();
    if (target === undefined) return original(chunk, ...rest);
    const encoding = typeof rest[0] === "string" ? (rest[0] as BufferEncoding) : "utf8";
    target.print(source, typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk);
    const callback = rest.find((argument) => typeof argument === "function") as (() => void) | undefined;
    if (callback !== undefined) process.nextTick(callback);
    return true;
  };
  stream.write = write;
}
