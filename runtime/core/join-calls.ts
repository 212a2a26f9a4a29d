/** Shares one run, such as a read of a row, among callers that ask for the same at the same time. */

/**
 * One run for many callers with the same key. A call while a run is under way shares the next run with all other waiting
 * calls. So each caller gets a run that began after its call, as if it were alone, and one run of a key goes on at a time.
 * Resolves and rejects as the shared run does.
 */
export function joinCalls<T>(run: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const underWay = new Map<string, Promise<T>>();
  const next = new Map<string, Promise<T>>();

  function start(key: string): Promise<T> {
    next.delete(key);
    const started = run(key).finally(() => underWay.delete(key));
    underWay.set(key, started);
    return started;
  }

  return (key) => {
    const waiting = next.get(key);
    if (waiting !== undefined) return waiting;
    const current = underWay.get(key);
    if (current === undefined) return start(key);
    const startNext = (): Promise<T> => start(key);
    const shared = current.then(startNext, startNext);
    next.set(key, shared);
    return shared;
  };
}
