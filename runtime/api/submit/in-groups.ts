/** Gathers the items of a source into groups: all that came while the consumer was busy with the last group. */

export interface GroupBounds<T> {
  readonly maxCount: number;
  /** When waiting items reach it, no more are read. */
  readonly maxWeight: number;
  readonly weightOf: (item: T) => number;
}

/**
 * Reads ahead of a slow consumer, within the bounds, and returns all waiting items as one group. No item waits for a timer.
 * Throws an error of the source at once and drops the items before it. If the consumer stops early, the source is read to
 * its end and dropped, so that its writer does not hang.
 */
export async function* inGroups<T>(source: AsyncIterable<T>, bounds: GroupBounds<T>): AsyncGenerator<readonly T[]> {
  let waiting: T[] = [];
  let weight = 0;
  const state: { stopped: boolean; end?: { readonly error?: unknown } } = { stopped: false };
  // Each side waits for the other at most once at a time, and checks again before it waits.
  let wakeReader = (): void => undefined;
  let wakeTaker = (): void => undefined;
  const isFull = (): boolean => waiting.length >= bounds.maxCount || weight >= bounds.maxWeight;
  const mustWait = (): boolean => isFull() && !state.stopped;

  async function read(): Promise<void> {
    try {
      for await (const item of source) {
        if (state.stopped) continue;
        waiting.push(item);
        weight += bounds.weightOf(item);
        wakeTaker();
        while (mustWait()) await new Promise<void>((wake) => (wakeReader = wake));
      }
      state.end = {};
    } catch (error) {
      state.end = { error };
    }
    wakeTaker();
  }

  function take(): readonly T[] {
    const group = waiting;
    waiting = [];
    weight = 0;
    wakeReader();
    return group;
  }

  void read();
  try {
    for (;;) {
      const { end } = state;
      if (end !== undefined && "error" in end) throw end.error;
      if (waiting.length > 0) yield take();
      else if (end !== undefined) return;
      else await new Promise<void>((wake) => (wakeTaker = wake));
    }
  } finally {
    state.stopped = true;
    wakeReader();
  }
}
