/**
 * One run for many callers who want the same thing looked at: whoever calls while a run is under way shares the next one
 * with all who wait, so that every caller gets a run that began after its call, and no two go on at once.
 */

/** The returned function rejects with what the shared run rejected with; a caller that calls again gets a new run. */
export function joinCalls(run: (key: string) => Promise<void>): (key: string) => Promise<void> {
  const underWay = new Map<string, Promise<void>>();
  const next = new Map<string, Promise<void>>();

  function start(key: string): Promise<void> {
    const started = run(key).finally(() => underWay.delete(key));
    underWay.set(key, started);
    return started;
  }

  return (key) => {
    const waiting = next.get(key);
    if (waiting !== undefined) return waiting;
    const current = underWay.get(key);
    if (current === undefined) return start(key);
    const startNext = (): Promise<void> => {
      next.delete(key);
      return start(key);
    };
    const joined = current.then(startNext, startNext);
    next.set(key, joined);
    return joined;
  };
}
