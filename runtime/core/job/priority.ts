/**
 * The priorities of jobs and batches, each a queue of its own, and the order in which a free slot looks at these queues.
 * Every queue comes first in its share of the looks, so that urgent work cannot starve the rest.
 */

/** Highest first. */
export const PRIORITIES = ["high", "normal", "low"] as const;

export type Priority = (typeof PRIORITIES)[number];

export const DEFAULT_PRIORITY: Priority = "normal";

/** How often a priority is the first choice, relative to the others. Positive integers. */
export type PriorityWeights = Readonly<Record<Priority, number>>;

/** Of 21 looks, 16 begin with high, 4 with normal, 1 with low. */
export const DEFAULT_WEIGHTS: PriorityWeights = { high: 16, normal: 4, low: 1 };

/** Returns the next order to look in; each call is one look. Smooth: the first choices are spread evenly. */
export type Share = () => readonly Priority[];

/** Smooth weighted round robin over the first choice; the rest follow by rank. */
export function createShare(weights: PriorityWeights = DEFAULT_WEIGHTS): Share {
  const total = PRIORITIES.reduce((sum, priority) => sum + weights[priority], 0);
  const credit: Record<Priority, number> = { high: 0, normal: 0, low: 0 };
  return () => {
    let first: Priority = PRIORITIES[0];
    for (const priority of PRIORITIES) {
      credit[priority] += weights[priority];
      if (credit[priority] > credit[first]) first = priority;
    }
    credit[first] -= total;
    return [first, ...PRIORITIES.filter((priority) => priority !== first)];
  };
}
