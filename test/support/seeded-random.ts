/** Randomness that a failed test can name: the same seed makes the same choices. */

export interface SeededRandom {
  /** In [0, 1). */
  next(): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** An independent source, for a caller whose turn depends on timing. */
  fork(): SeededRandom;
}

/** Mulberry32: small, fast, and good enough to choose test steps. */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    chance: (probability) => next() < probability,
    pick(items) {
      const item = items[Math.floor(next() * items.length)];
      if (item === undefined) throw new Error("Nothing to pick from.");
      return item;
    },
    fork: () => seededRandom(Math.floor(next() * 2 ** 32)),
  };
}
