/** One step at a time for each key, in the order of the calls. A step that fails does not stop those behind it. */
export function takeTurns(): <T>(key: string, step: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return (key, step) => {
    const before = last.get(key);
    const own = before === undefined ? step() : before.then(step);
    const over = own
      .catch(() => undefined)
      .finally(() => {
        if (last.get(key) === over) last.delete(key);
      });
    last.set(key, over);
    return own;
  };
}
