/**
 * Sends the ticks of all timers. Every API instance has one; none leads. They read the same rows, send the same ticks
 * under the same names, of which the broker keeps one, and note in the row how far a timer is served.
 *
 * | a round meets                      | then                                                                      |
 * |------------------------------------|---------------------------------------------------------------------------|
 * | a crash between sending and noting | the same is sent again; the broker or the job's row drops it              |
 * | a row that was written meanwhile   | another instance noted as much, or the timer changed: the next round sees |
 * | a timer that cannot be planned     | the others are served; it is said once until it changes                   |
 * | a row that cannot be written       | the others are served; its ticks are sent again in the next round         |
 * | table or broker away               | the round ends; the next one goes on from what the rows say               |
 * | a clock that is wrong              | the round ends before anything is sent: other instances send              |
 *
 * The process has other work: a round gives way to it every few milliseconds, and looks at a timer whose row has not
 * changed only when something of it falls due.
 */
import { setImmediate } from "node:timers/promises";
import { type Clock } from "../../core/clock.ts";
import { sleep } from "../../core/sleep.ts";
import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { Stored } from "../../core/ports/stored.ts";
import type { TimerStore } from "../../core/ports/timer-store.ts";
import type { TickSender } from "../../core/ports/timer-topic.ts";
import { listenerOf, type Timer } from "../../core/timer/timer.ts";
import { planTicks, quietUntil, type TickPlan } from "./plan-ticks.ts";

export interface SchedulerDeps {
  readonly timers: Pick<TimerStore, "all" | "write">;
  readonly sender: Pick<TickSender, "send">;
  /** How far ticks are sent ahead. Default: TICK_HORIZON_MS. */
  readonly horizonMs?: number;
  /** Throws when this process's clock cannot be trusted: there is no round then. */
  readonly now: Clock["now"];
  /** A clock that is never set, in milliseconds. Default: that of the process. */
  readonly monotonicNow?: Clock["monotonicNow"];
  /** 0 to 1. */
  readonly random: () => number;
  /** Between rounds. Default: `sleep` of core/clock.ts. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: Logger;
}

export interface Scheduler {
  /** Has a round begin at once, or after the one under way: a timer was registered, resumed or changed. */
  wake(): void;
  /** Waits for the round under way. */
  stop(): Promise<void>;
}

const ROUND_EVERY_MS = 20_000;
/** Instances that started together drift apart, so that not all of them send the same at the same time. */
const ROUND_SPREAD = 0.25;
/** Timers whose ticks are sent together, and how many ticks of them are enough. */
const GROUP_SIZE = 50;
const GROUP_TICKS = 1_000;
/** A round works so long before it gives way to what else the process has to do. */
const SLICE_MS = 10;

interface Planned {
  readonly stored: Stored<Timer>;
  readonly plan: TickPlan;
}

/** A version of a timer's row that has nothing to be sent between two moments. */
interface Quiet {
  readonly etag: string;
  readonly from: Date;
  readonly until: Date;
}

export function startScheduler(deps: SchedulerDeps): Scheduler {
  const stopping = new AbortController();
  let waiting = new AbortController();
  let woken = false;
  const round = createRound(deps);

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      woken = false;
      waiting = new AbortController();
      try {
        await round(stopping.signal);
      } catch (error) {
        deps.log.warn({ error: messageOf(error) }, "ticks could not be sent; trying again");
      }
      const spread = 1 + ROUND_SPREAD * (2 * deps.random() - 1);
      const hasToGoOn = (): boolean => woken || stopping.signal.aborted;
      if (!hasToGoOn()) await (deps.sleep ?? sleep)(ROUND_EVERY_MS * spread, waiting.signal);
    }
  }
  const running = run();

  return {
    wake() {
      woken = true;
      waiting.abort();
    },
    async stop() {
      stopping.abort();
      waiting.abort();
      await running;
    },
  };
}

/** One look at all timers. Throws UnavailableError. */
export function createRound({
  timers,
  sender,
  horizonMs,
  now,
  monotonicNow = () => performance.now(),
  log,
}: SchedulerDeps): (signal: AbortSignal) => Promise<void> {
  /** What was wrong with which timers in the round before, by listener. */
  let known = new Map<string, string>();
  /** By listener, as the last whole round found them. */
  let quiet: ReadonlyMap<string, Quiet> = new Map();

  async function serve(group: readonly Planned[]): Promise<void> {
    if (group.length === 0) return;
    await sender.send(group.flatMap(({ plan }) => plan.ticks));
    // After the ticks: noted first, they would be lost by a crash in between.
    const noting = group.map(async ({ stored: { value: timer, etag }, plan: { scheduledUpTo, activeFrom } }) => {
      try {
        await timers.write({ ...timer, activeFrom, scheduledUpTo }, etag);
      } catch (error) {
        const { tenantName } = timer;
        log.warn(
          { tenantName, timer: listenerOf(timer), error: messageOf(error) },
          "sent ticks not noted; they are sent again",
        );
      }
    });
    await Promise.all(noting);
  }

  return async (signal) => {
    const wrong = new Map<string, string>();
    const complain = (timer: string, error: unknown): void => {
      const problem = messageOf(error);
      wrong.set(timer, problem);
      if (known.get(timer) === problem) return;
      log.error({ timer, error: problem }, "a timer cannot be scheduled; the others are");
    };
    const stillQuiet = new Map<string, Quiet>();
    let group: Planned[] = [];
    let tickCount = 0;
    let sliceEndMs = monotonicNow() + SLICE_MS;
    for await (const stored of timers.all(complain)) {
      if (monotonicNow() >= sliceEndMs) {
        await setImmediate();
        sliceEndMs = monotonicNow() + SLICE_MS;
      }
      if (signal.aborted) return;
      const { value: timer, etag } = stored;
      const listener = listenerOf(timer);
      const at = now();
      const found = quiet.get(listener);
      if (found !== undefined && isQuiet(found, etag, at)) {
        stillQuiet.set(listener, found);
        continue;
      }
      try {
        const plan = planTicks(timer, at, horizonMs);
        const until = plan === undefined ? quietUntil(timer, at, horizonMs) : undefined;
        if (until !== undefined) stillQuiet.set(listener, { etag, from: at, until });
        if (plan === undefined) continue;
        group.push({ stored, plan });
        tickCount += plan.ticks.length;
      } catch (error) {
        complain(listener, error);
      }
      if (group.length < GROUP_SIZE && tickCount < GROUP_TICKS) continue;
      await serve(group);
      group = [];
      tickCount = 0;
    }
    await serve(group);
    known = wrong;
    quiet = stillQuiet;
  };
}

/** Not when the clock was set back meanwhile: what the row says may be of the time before that. */
const isQuiet = (found: Quiet, etag: string, at: Date): boolean =>
  found.etag === etag && found.from <= at && at < found.until;
