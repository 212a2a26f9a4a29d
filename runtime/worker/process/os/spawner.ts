/**
 * The worker's side of the small process that starts its processes (host/serve-spawns.ts).
 *
 * | state   | meaning                                  | leaves by                                              |
 * |---------|------------------------------------------|--------------------------------------------------------|
 * | running | starts what it is asked for              | `close` → closed; its death → ended                    |
 * | ended   | what it had started ended with it (Linux) | the next `spawn` starts another one → running          |
 * | closed  | nothing is started any more              | –                                                      |
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { SPAWNER_ARGUMENT, type SpawnReport, type SpawnRequest } from "../host/serve-spawns.ts";

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface SpawnedProcess {
  readonly pid: number;
  /** Clock ticks since boot; undefined where there is no /proc. */
  readonly startedAt: number | undefined;
  /** By descriptor: 1 is stdout. */
  readonly stdio: readonly (Socket | undefined)[];
  readonly exit: Promise<ProcessExit>;
}

export interface Spawner {
  /** Throws Error when the process cannot be started. */
  spawn(request: Omit<SpawnRequest, "id">): Promise<SpawnedProcess>;
  /** Call when nothing that it has started runs. */
  close(): Promise<void>;
}

export interface SpawnerConfig {
  /** The host's program. */
  readonly hostEntry: string;
  readonly searchPath: string;
  /** Makes it end with the worker. Undefined: where nothing can, it ends when the channel closes. */
  readonly setpriv: string | undefined;
}

interface Spawning {
  readonly started: PromiseWithResolvers<SpawnedProcess>;
  readonly exited: PromiseWithResolvers<ProcessExit>;
  readonly stdio: (Socket | undefined)[];
  readonly pipes: number;
  facts: { readonly pid: number; readonly startedAt: number | undefined } | undefined;
}

interface Running {
  readonly child: ChildProcess;
  readonly spawnings: Map<number, Spawning>;
  readonly gone: Promise<void>;
}

export function startSpawner(config: SpawnerConfig): Spawner {
  let lastId = 0;
  let closed = false;
  let running: Running | undefined = start();

  function start(): Running {
    const spawnings = new Map<number, Spawning>();
    const { hostEntry, searchPath, setpriv } = config;
    const command = [process.execPath, hostEntry, SPAWNER_ARGUMENT];
    const [program = "", ...args] =
      setpriv === undefined ? command : [setpriv, "--pdeathsig", "KILL", "--", ...command];
    const child = spawn(program, args, {
      cwd: "/",
      env: { PATH: searchPath },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const gone = new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
    child.on("message", (report: SpawnReport, handle) => {
      onReport(spawnings, report, handle as Socket | undefined);
      // This worker need not stay for a spawner that has nothing to say.
      if (spawnings.size === 0) child.channel?.unref();
    });
    const own: Running = { child, spawnings, gone };
    void gone.then(() => {
      if (running === own) running = undefined;
      for (const { started, exited } of spawnings.values()) {
        started.reject(new Error("The process that starts jobs has ended."));
        exited.resolve({ code: null, signal: "SIGKILL" });
      }
    });
    child.unref();
    child.channel?.unref();
    return own;
  }

  function onReport(spawnings: Map<number, Spawning>, report: SpawnReport, handle: Socket | undefined): void {
    const { id } = report;
    const spawning = spawnings.get(id);
    if (spawning === undefined) return;
    switch (report.type) {
      case "failed":
        spawnings.delete(id);
        spawning.started.reject(new Error(report.message));
        break;
      case "started":
        spawning.facts = report;
        break;
      case "pipe": {
        const { stdio, pipes, facts, started, exited } = spawning;
        // What goes wrong with a pipe shows in the end of its process.
        handle?.on("error", () => undefined);
        stdio[report.descriptor] = handle;
        if (report.descriptor < pipes || facts === undefined) break;
        started.resolve({ pid: facts.pid, startedAt: facts.startedAt, stdio, exit: exited.promise });
        break;
      }
      case "exited":
        spawnings.delete(id);
        spawning.exited.resolve({ code: report.code, signal: report.signal });
    }
  }

  return {
    async spawn(request) {
      if (closed) throw new Error("This worker starts no more processes.");
      running ??= start();
      const { child, spawnings } = running;
      const id = ++lastId;
      const spawning: Spawning = {
        started: Promise.withResolvers(),
        exited: Promise.withResolvers(),
        stdio: [],
        pipes: request.pipes,
        facts: undefined,
      };
      spawnings.set(id, spawning);
      child.channel?.ref();
      child.send({ ...request, id } satisfies SpawnRequest, (error) => {
        if (error !== null) spawning.started.reject(error);
      });
      return spawning.started.promise;
    },
    async close() {
      closed = true;
      if (running === undefined) return;
      const { child, gone } = running;
      child.ref();
      if (child.connected) child.disconnect();
      await gone;
    },
  };
}
