/**
 * Reads ahead of a slow consumer, and hands it everything that waits as one group: alone what comes alone, together what
 * comes fast. Nothing waits on a clock for company, and no more is read than the bounds allow.
 */

export interface GroupBounds<T> {
  readonly maxCount: number;
  /** Reached by the items that wait, no more are read. */
  readonly maxWeight: number;
  readonly weightOf: (item: T) => number;
}

/**
 * Throws what the source throws, at once: what was read before it is dropped. A consumer that stops early leaves the
 * source being read to its end and thrown away, so that whoever writes to it is not left waiting.
 */
export async function* inGroups<T>(source: AsyncIterable<T>, bounds: GroupBounds<T>): AsyncGenerator<readonly T[]> {
  let waiting: T[] = [];
  let weight = 0;
  const state: { stopped: boolean; end?: { readonly error?: unknown } } = { stopped: false };
  // Each side waits for the other at most once at a time, and looks again before it does.
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
