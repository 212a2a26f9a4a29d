/** Shares one read among requests that ask for the same row at the same time. */

/**
 * A read that is asked for while one of the same key is under way shares the next one with all others that wait. So
 * each caller gets a read that began after its call, as if it had read alone, and one read of a key goes on at a time.
 */
export function shareReads<T>(read: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const underWay = new Map<string, Promise<T>>();
  const next = new Map<string, Promise<T>>();

  function start(key: string): Promise<T> {
    next.delete(key);
    const started = read(key).finally(() => underWay.delete(key));
    underWay.set(key, started);
    return started;
  }

  return (key) => {
    const waiting = next.get(key);
    if (waiting !== undefined) return waiting;
    const current = underWay.get(key);
    if (current === undefined) return start(key);
    const shared = current.then(
      () => start(key),
      () => start(key),
    );
    next.set(key, shared);
    return shared;
  };
}
