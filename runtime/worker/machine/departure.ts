/**
 * How a worker leaves when its machine or its code is replaced: it stops receiving, running jobs get what
 * time there is, and then it either ends, to be started anew, or stays, so that nothing starts on a machine about to go.
 *
 * | state    | meaning                                   | leaves by                                          |
 * |----------|-------------------------------------------|----------------------------------------------------|
 * | serving  | receives and runs                         | `leave()` → draining                               |
 * | draining | receives nothing; jobs end or are stopped | the last one over → drained                        |
 * | drained  | nothing runs                              | `end()`, at once for new code, or after LINGER_MS  |
 */
import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { Worker } from "../worker.ts";
import type { Clock } from "../../core/clock.ts";

export interface Leave {
  /** Read by people. */
  readonly reason: string;
  /** What running jobs get; Infinity: all they need. */
  readonly drainMs: number;
  /** Whether the machine is to go: then the process stays, because its supervisor would start it again. */
  readonly machineGoes: boolean;
}

export interface Departure {
  readonly state: "serving" | "draining" | "drained";
  /** Fires when it no longer serves. */
  readonly leaving: AbortSignal;
  /** May be called again: the shortest time counts, and a machine that goes counts more than new code. */
  leave(leave: Leave): void;
  /** The machine does not go after all: a drained worker ends, to be started anew. */
  stay(): void;
  /** Once, as soon as the worker receives. */
  attach(worker: Pick<Worker, "drain">): void;
  /** Calls back when everything is drained. */
  onDrained(listener: () => void): void;
  /** The process is being stopped: nothing more is decided here. */
  stop(): void;
}

export interface DepartureDeps {
  /** Ends the process with success. */
  readonly end: () => void;
  readonly monotonicNow: Clock["monotonicNow"];
  readonly log: Logger;
  /** For tests. */
  readonly lingerMs?: number;
}

/** A machine that was to go and is still here after so long will stay: the longest notice a scale set gives. */
const LINGER_MS = 15 * 60_000;
/** The same time by another clock differs by less. */
const NOTABLE_MS = 1_000;
/** The longest timer there is: 24 days, more than any job may run. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export function createDeparture({ end, monotonicNow, log, lingerMs = LINGER_MS }: DepartureDeps): Departure {
  const listeners: (() => void)[] = [];
  let state: Departure["state"] = "serving";
  let machineGoes = false;
  let stopped = false;
  const leaving = new AbortController();
  let drainUntil = Infinity;
  let worker: Pick<Worker, "drain"> | undefined;
  let linger: NodeJS.Timeout | undefined;

  function drain(): void {
    if (worker === undefined) return;
    const drainMs = Math.min(TIMER_MAX_MS, Math.max(0, drainUntil - monotonicNow()));
    worker.drain(drainMs).then(drained, (error: unknown) => {
      // Its jobs are left to their locks; a new process is better than one that cannot even stop.
      log.error({ error: messageOf(error) }, "draining failed");
      drained();
    });
  }

  function drained(): void {
    if (state === "drained" || stopped) return;
    state = "drained";
    log.info({ machineGoes }, "drained");
    if (machineGoes) {
      linger = setTimeout(() => {
        log.warn({}, "the machine was to go and did not; starting anew");
        end();
      }, lingerMs);
      for (const listener of listeners) listener();
    } else {
      end();
    }
  }

  return {
    get state() {
      return state;
    },
    leaving: leaving.signal,
    leave({ reason, drainMs, machineGoes: goes }) {
      if (stopped || state === "drained") return;
      const until = monotonicNow() + drainMs;
      const isNews = state === "serving" || until < drainUntil - NOTABLE_MS || (goes && !machineGoes);
      machineGoes ||= goes;
      if (!isNews) return;
      if (state === "serving" || goes) log.info({ reason, drainMs }, "leaving: no job starts here any more");
      state = "draining";
      leaving.abort();
      drainUntil = Math.min(drainUntil, until);
      drain();
    },
    stay() {
      if (!machineGoes) return;
      machineGoes = false;
      clearTimeout(linger);
      if (state === "drained" && !stopped) {
        log.info({}, "the machine stays; starting anew");
        end();
      }
    },
    attach(attached) {
      worker = attached;
      if (state === "draining") drain();
    },
    onDrained: (listener) => void listeners.push(listener),
    stop() {
      stopped = true;
      clearTimeout(linger);
    },
  };
}
