/**
 * Measures one pass of the scheduler over the maximum number of timers: its CPU time, and the longest time that it
 * blocks the event loop, also in CPU time. Table and broker are in memory, so only the scheduler's own work counts.
 */
import { TIMERS_MAX_COUNT } from "../runtime/core/limits.ts";
import type { Timer } from "../runtime/core/timer/timer.ts";
import { createRound } from "../runtime/timers/schedule/scheduler.ts";
import { timerOf } from "../test/support/builders.ts";
import { createMemoryTimers } from "../test/support/stores/held-timers.ts";
import { silentLog } from "../test/support/silent.ts";
import type { Report } from "./suite.ts";

const START = new Date("2026-03-01T08:00:00Z");
const ROUND_MS = 20_000;
/** The first pass is in a process that has just started. The last is in one that has seen all timers. */
const ROUNDS = 4;

const zones = Intl.supportedValuesOf("timeZone");
const zoneAt = (index: number): string => zones[index % zones.length] ?? "UTC";

const SCHEDULES: Readonly<Record<string, (index: number) => Partial<Timer>>> = {
  "29 February on a Saturday, Vienna": () => ({ cron: "0 0 0 29 2 SAT", timeZone: "Europe/Vienna" }),
  "29 February on a Saturday, all zones": (i) => ({ cron: "0 0 0 29 2 SAT", timeZone: zoneAt(i) }),
  "daily, all zones": (i) => ({ cron: "0 30 2 * * *", timeZone: zoneAt(i) }),
  "every minute": () => ({ cron: "0 * * * * *", timeZone: "Europe/Vienna" }),
  "every second": () => ({ cron: "* * * * * *", timeZone: "Europe/Vienna" }),
};

export async function run(report: Report): Promise<void> {
  for (const [name, schedule] of Object.entries(SCHEDULES)) {
    const timers = createMemoryTimers();
    for (let i = 0; i < TIMERS_MAX_COUNT; i++) {
      timers.put(timerOf({ timerName: `T${i}`, activeFrom: START, scheduledUpTo: START, ...schedule(i) }));
    }
    let now = START;
    const round = createRound({
      timers,
      sender: { send: () => Promise.resolve() },
      now: () => now,
      random: () => 0.5,
      sleep: () => Promise.resolve(),
      log: silentLog,
    });
    for (let i = 1; i <= ROUNDS; i++) {
      const { cpuMs, blockedMs } = await measure(() => round(new AbortController().signal));
      now = new Date(now.getTime() + ROUND_MS);
      if (i !== 1 && i !== ROUNDS) continue;
      const which = i === 1 ? "first round" : "later round";
      report({ name: `${name}: ${which}`, value: cpuMs, unit: "ms of CPU" });
      report({ name: `${name}: ${which}, longest block of the event loop`, value: blockedMs, unit: "ms" });
    }
  }
}

/** `blockedMs`: the longest time in which the event loop made no turn. */
async function measure(work: () => Promise<void>): Promise<{ readonly cpuMs: number; readonly blockedMs: number }> {
  const start = cpuNow();
  let turnAt = start;
  let blockedMs = 0;
  let isOver = false;
  const turn = (): void => {
    blockedMs = Math.max(blockedMs, cpuNow() - turnAt);
    turnAt = cpuNow();
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  isOver = true;
  turn();
  return { cpuMs: Math.round(cpuNow() - start), blockedMs: Math.round(blockedMs) };
}

/** CPU time of the loop's thread. Other processes on the machine do not count. */
function cpuNow(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
