/**
 * When a job may start under a limit of starts per time (R29): at the earliest time at which no span of that length holds
 * more than `max` starts, and no earlier than those before it. Decisions without I/O.
 *
 * Taken times are kept as steps of a hundredth of the span, each rounded up. So a key costs a hundred small numbers
 * however large `max` is, and a start comes a hundredth of the span too late at most, and never too early.
 */

export interface Rate {
  /** Starts in any span of `perMs`. */
  readonly max: number;
  readonly perMs: number;
}

/** The times that are taken: when, in ms since the epoch, and how many. The earliest first. */
export type TakenTimes = readonly (readonly [at: number, count: number])[];

export interface TakenTime {
  readonly startsAt: number;
  readonly taken: TakenTimes;
}

const STEPS = 100;

export function takeTime(taken: TakenTimes, { max, perMs }: Rate, now: number): TakenTime {
  const step = Math.max(1, Math.ceil(perMs / STEPS));
  const free = freeAgainAt(taken, max, perMs);
  // The latest start was in the step that ends there. Also where `max` has grown since, nobody overtakes.
  const latest = taken.at(-1)?.[0] ?? 0;
  const startsAt = Math.max(now, free, latest - step);
  const at = Math.max(Math.ceil(startsAt / step) * step, latest);
  // The others are in no span that ends with a later start, which is at most a step before this one.
  const kept = taken.filter(([time]) => time > startsAt - perMs - step);
  const last = kept.at(-1);
  return {
    startsAt,
    taken: last?.[0] === at ? [...kept.slice(0, -1), [at, last[1] + 1]] : [...kept, [at, 1]],
  };
}

/** When the earliest of the latest `max` starts has left the span; 0: there are fewer. */
function freeAgainAt(taken: TakenTimes, max: number, perMs: number): number {
  let count = 0;
  for (const [at, starts] of taken.toReversed()) {
    count += starts;
    if (count >= max) return at + perMs;
  }
  return 0;
}
