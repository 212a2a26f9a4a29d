/** The faults of a run of timers, with their times, made from a seed. */
import type { SeededRandom } from "../../support/seeded-random.ts";

export type Blow =
  | { readonly kind: "kill"; readonly program: string }
  /** All APIs are killed, and start again after this time. */
  | { readonly kind: "outage"; readonly forMs: number }
  /** The clock of one API jumps. 0: it is corrected. */
  | { readonly kind: "clock"; readonly program: string; readonly aheadMs: number }
  /** Two unreadable messages: one addressed to a timer, and one in the queue that receives timers' ticks. */
  | { readonly kind: "poison" };

export interface ScheduledBlow {
  /** After the timers were registered. */
  readonly afterMs: number;
  readonly blow: Blow;
}

export interface PlanOptions {
  readonly lastsMs: number;
  readonly killCount: number;
  readonly outage: { readonly afterMs: number; readonly forMs: number };
  readonly workers: readonly string[];
  readonly apis: readonly string[];
}

/** The first ticks come without faults, and the last can show that nothing was lost. */
const FIRST_SHARE = 0.08;
const LAST_SHARE = 0.85;
const POISON_SHARE = 0.2;
/** One clock jumps ahead, another one back, and both are corrected after a while. */
const CLOCK_SHARES = { begin: 0.05, end: 0.9 };
const CLOCK_JUMP_MS = 3 * 3_600_000;

/** In the order in which they are due. */
export function planBlows(random: SeededRandom, options: PlanOptions): readonly ScheduledBlow[] {
  const { lastsMs, killCount, outage, workers, apis } = options;
  // In turns, so that every program is included; two workers for every API.
  const victims = Array.from({ length: killCount }, (_, index) =>
    index % 3 === 2
      ? apis[Math.floor(index / 3) % apis.length]!
      : workers[(index - Math.floor(index / 3)) % workers.length]!,
  );
  const kills = victims.map((program, index) => {
    const share = (index + random.next()) / killCount;
    const afterMs = Math.round(lastsMs * (FIRST_SHARE + (LAST_SHARE - FIRST_SHARE) * share));
    return { afterMs, blow: { kind: "kill" as const, program } };
  });
  // The first API serves the run's own requests: with a wrong clock, it would refuse their tokens.
  const [, ahead = "", behind = ""] = apis;
  const clocks = [
    { share: CLOCK_SHARES.begin, program: ahead, aheadMs: CLOCK_JUMP_MS },
    { share: CLOCK_SHARES.begin, program: behind, aheadMs: -CLOCK_JUMP_MS },
    { share: CLOCK_SHARES.end, program: ahead, aheadMs: 0 },
    { share: CLOCK_SHARES.end, program: behind, aheadMs: 0 },
  ].map(({ share, ...clock }) => ({
    afterMs: Math.round(lastsMs * share),
    blow: { kind: "clock" as const, ...clock },
  }));
  return [
    ...kills,
    ...clocks,
    { afterMs: outage.afterMs, blow: { kind: "outage" as const, forMs: outage.forMs } },
    { afterMs: Math.round(lastsMs * POISON_SHARE), blow: { kind: "poison" as const } },
  ].toSorted((a, b) => a.afterMs - b.afterMs);
}

export function describeBlow(blow: Blow): string {
  switch (blow.kind) {
    case "kill":
      return `SIGKILL ${blow.program}`;
    case "outage":
      return `SIGKILL all APIs, no restart for ${blow.forMs / 1_000} s`;
    case "clock":
      return `the clock of ${blow.program} is set ${blow.aheadMs === 0 ? "right" : `by ${blow.aheadMs / 3_600_000} h`}`;
    case "poison":
      return "poison";
  }
}
