/** Tells an event that comes a second time, over another subscription or after a break, from a new one. */

export interface SeenEvents {
  /** Whether it is further than all before of its job or batch; it then counts as seen. */
  isNew(id: string, sequence: number): boolean;
}

/** Jobs and batches remembered; the one heard of least recently is forgotten first. */
const REMEMBERED_MAX = 20_000;

export function createSeenEvents(rememberedMax = REMEMBERED_MAX): SeenEvents {
  const latest = new Map<string, number>();
  return {
    isNew(id, sequence) {
      const before = latest.get(id);
      if (before !== undefined && sequence <= before) return false;
      // Put at the end.
      latest.delete(id);
      latest.set(id, sequence);
      if (latest.size > rememberedMax) {
        const [oldest = id] = latest.keys();
        latest.delete(oldest);
      }
      return true;
    },
  };
}
