/**
 * Starts the local stack's processes, restarts those that die, and stops them in order. Each process has its own
 * process group, so that Ctrl-C in a terminal reaches only the supervisor, and an IPC channel, so that it ends with its
 * supervisor in any case. Over the channel, each process also receives the list of processes that must end before it, and
 * how all of them are. Any of them can ask for a restart of one: it stops as at `stop()`, and starts again at once.
 *
 * | state of a program | meaning                              | leaves by                                     |
 * |--------------------|--------------------------------------|-----------------------------------------------|
 * | starting           | waits for the message "ready"        | ready → running; exit → restarting; at the    |
 * |                    |                                      | first start exit or timeout → failed          |
 * | running            | does its work                        | exit or asked → restarting; `stop()` → stopping |
 * | restarting         | is asked to end; then waits, longer  | starting; `stop()` → stopped                  |
 * |                    | each time                            |                                               |
 * | stopping           | has received SIGTERM                 | exit → stopped; end of grace → SIGKILL        |
 */
import { fork, type ChildProcess } from "node:child_process";
import { openSync, closeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  isMessage,
  type OrphanOrders,
  type ProgramsMessage,
  type SupervisedProgram,
} from "../platform/supervisor-messages.ts";

export interface Program {
  /** Shown to people. Also the name of the log file. */
  readonly name: string;
  readonly modulePath: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Time between the stop signal and the kill. */
  readonly stopGraceMs: number;
  /** Names of the programs that need this one. If the supervisor dies, this program stops after them. */
  readonly stopsAfter: readonly string[];
}

export interface SupervisorDeps {
  readonly logDirectory: string;
  /** Called at every end after which the program is started again. */
  readonly onRestart: (name: string, how: string) => void;
}

/** A program and the process that runs it. */
interface Running {
  readonly program: Program;
  readonly child: ChildProcess;
}

export interface Supervisor {
  /** Resolves with the data of the program's ready message. Rejects with its last output if it cannot start. */
  start(program: Program): Promise<Readonly<Record<string, unknown>>>;
  pidOf(name: string): number | undefined;
  /** Stops programs, the latest started first; those in one inner list at the same time. */
  stop(order: readonly (readonly string[])[]): Promise<void>;
  /** Kills everything now. */
  kill(): void;
}

const READY_WITHIN_MS = 60_000;
const RESTART_FIRST_MS = 200;
const RESTART_LONGEST_MS = 5_000;
/** What was asked of the program, or of one that needs it, is answered by then. */
const RESTART_AFTER_MS = 200;
/** After running this long, the restart delay of a program is reset. */
const HEALTHY_AFTER_MS = 10_000;
/** Size of the log's end that is shown when a program could not start. */
const LAST_WORDS_MAX_LENGTH = 2_000;

export function createSupervisor({ logDirectory, onRestart }: SupervisorDeps): Supervisor {
  const running = new Map<string, Running>();
  const restarts = new Map<string, NodeJS.Timeout>();
  const stopped = new Set<string>();
  /** Started for good: they are started again whenever they end. */
  const kept = new Set<string>();
  const restartAsked = new Set<string>();
  const reports = new Map<string, SupervisedProgram>();

  function launch(program: Program): ChildProcess {
    const log = openSync(logFile(program), "a");
    const child = fork(program.modulePath, program.args, {
      env: program.env,
      // Options of this process are not for them: a debugger of a test would stop each of them at its first line.
      execArgv: [],
      detached: true,
      stdio: ["ignore", log, log, "ipc"],
    });
    closeSync(log);
    running.set(program.name, { program, child });
    child.on("message", (message) => {
      if (isMessage(message, "ready") && !restartAsked.has(program.name)) report(program, { state: "running" });
      else if (isMessage(message, "restart-program")) restart(message.name);
    });
    const { name } = program;
    const restartCount = reports.get(name)?.restartCount ?? 0;
    const startedAt = new Date().toISOString();
    reports.set(name, { name, state: "starting", startedAt, restartCount, logFile: logFile(program) });
    tellReports();
    giveOrders();
    return child;
  }

  function report({ name }: Program, change: Partial<SupervisedProgram>): void {
    const known = reports.get(name);
    if (known === undefined) return;
    reports.set(name, { ...known, ...change });
    tellReports();
  }

  function tellReports(): void {
    const message: ProgramsMessage = { type: "programs", programs: [...reports.values()] };
    for (const { child } of running.values()) tell(child, message);
  }

  /** Does nothing for one that is still in its first start, waits for its restart, or is asked already. */
  function restart(name: string): void {
    const entry = running.get(name);
    if (entry === undefined || !kept.has(name) || stopped.has(name) || restartAsked.has(name)) return;
    restartAsked.add(name);
    report(entry.program, { state: "restarting" });
    setTimeout(() => {
      if (running.get(name) === entry && !stopped.has(name)) void endGently(entry);
    }, RESTART_AFTER_MS);
  }

  /** Sent to all programs, because a restarted program has another process id. */
  function giveOrders(): void {
    for (const { program, child } of running.values()) {
      const stopAfter = program.stopsAfter.flatMap((name) => running.get(name)?.child.pid ?? []);
      const orders: OrphanOrders = { type: "orphan-orders", stopAfter, graceMs: program.stopGraceMs };
      tell(child, orders);
    }
  }

  const logFile = ({ name }: Program): string => join(logDirectory, `${name}.log`);

  async function start(program: Program): Promise<Readonly<Record<string, unknown>>> {
    const logStart = (await readFile(logFile(program)).catch(() => Buffer.alloc(0))).length;
    if (stopped.has(program.name)) throw new ProgramFailedError(program.name, "It was stopped before it started.");
    const child = launch(program);
    const ready = await readiness(child);
    if (ready === undefined) {
      running.delete(program.name);
      const log = (await readFile(logFile(program))).subarray(logStart).toString();
      throw new ProgramFailedError(program.name, log.trim().slice(-LAST_WORDS_MAX_LENGTH));
    }
    keepAlive(program, child, RESTART_FIRST_MS);
    return ready;
  }

  function keepAlive(program: Program, child: ChildProcess, delayMs: number): void {
    const startedAt = performance.now();
    kept.add(program.name);
    child.once("exit", (code, signal) => {
      if (running.get(program.name)?.child === child) running.delete(program.name);
      if (stopped.has(program.name)) return;
      const wasAsked = restartAsked.delete(program.name);
      const healthy = performance.now() - startedAt > HEALTHY_AFTER_MS;
      const waitMs = healthy || wasAsked ? RESTART_FIRST_MS : delayMs;
      report(program, { state: "restarting", restartCount: (reports.get(program.name)?.restartCount ?? 0) + 1 });
      onRestart(program.name, wasAsked ? "a restart was asked for" : (signal ?? `exit code ${code ?? "unknown"}`));
      const timer = setTimeout(() => {
        restarts.delete(program.name);
        keepAlive(program, launch(program), Math.min(waitMs * 2, RESTART_LONGEST_MS));
      }, waitMs);
      restarts.set(program.name, timer);
    });
  }

  async function stopOne(name: string): Promise<void> {
    stopped.add(name);
    clearTimeout(restarts.get(name));
    const entry = running.get(name);
    if (entry === undefined || entry.child.exitCode !== null || entry.child.signalCode !== null) return;
    await endGently(entry);
  }

  return {
    start,
    pidOf: (name) => running.get(name)?.child.pid,
    async stop(order) {
      for (const names of order) await Promise.all(names.map(stopOne));
    },
    kill() {
      for (const timer of restarts.values()) clearTimeout(timer);
      for (const [name, { child }] of running) {
        stopped.add(name);
        child.kill("SIGKILL");
      }
    },
  };
}

/** Sending fails only for a program that has just ended. */
function tell(child: ChildProcess, message: OrphanOrders | ProgramsMessage): void {
  if (child.connected) child.send(message, () => undefined);
}

/** Resolves when it has ended: by itself, or killed after its grace. */
async function endGently({ child, program }: Running): Promise<void> {
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const timer = setTimeout(() => child.kill("SIGKILL"), program.stopGraceMs);
  child.kill("SIGTERM");
  await exited;
  clearTimeout(timer);
}

/** A program ended before it was ready. The message contains its last output. */
export class ProgramFailedError extends Error {
  override readonly name = "ProgramFailedError";

  constructor(program: string, lastWords: string) {
    super(lastWords === "" ? `${program} ended before it was ready.` : `${program}: ${lastWords}`);
  }
}

/** The data of the program's ready message; undefined if it ends, or is not ready in time. */
function readiness(child: ChildProcess): Promise<Readonly<Record<string, unknown>> | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
    }, READY_WITHIN_MS);
    const done = (value: Readonly<Record<string, unknown>> | undefined): void => {
      clearTimeout(timer);
      resolve(value);
    };
    child.once("error", () => done(undefined));
    child.once("exit", () => done(undefined));
    child.on("message", (message) => {
      if (isMessage(message, "ready")) done(message);
    });
  });
}
