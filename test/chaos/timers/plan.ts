/** What is done to a run of timers, and when: made from a seed. */
import type { SeededRandom } from "../../support/seeded-random.ts";

export type Blow =
  | { readonly kind: "kill"; readonly program: string }
  /** All APIs are killed, and start again after so long. */
  | { readonly kind: "outage"; readonly forMs: number }
  /** A message nobody can read, addressed to a timer, and one in the queue that timers' ticks are passed on to. */
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

/** The first ticks come undisturbed, and the last can show that nothing was lost. */
const FIRST_SHARE = 0.08;
const LAST_SHARE = 0.85;
const POISON_SHARE = 0.2;

/** In the order in which they are due. */
export function planBlows(random: SeededRandom, options: PlanOptions): readonly ScheduledBlow[] {
  const { lastsMs, killCount, outage, workers, apis } = options;
  // In turns, so that nobody is passed over; two workers for every API.
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
  return [
    ...kills,
    { afterMs: outage.afterMs, blow: { kind: "outage" as const, forMs: outage.forMs } },
    { afterMs: Math.round(lastsMs * POISON_SHARE), blow: { kind: "poison" as const } },
  ].toSorted((a, b) => a.afterMs - b.afterMs);
}

export function describeBlow(blow: Blow): string {
  switch (blow.kind) {
    case "kill":
      return `SIGKILL ${blow.program}`;
    case "outage":
      return `SIGKILL all APIs, away for ${blow.forMs / 1_000} s`;
    case "poison":
      return "poison";
  }
}
