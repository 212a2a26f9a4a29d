/** A TimerStore in memory with the semantics of the real one. */
import { invalidField, InvariantError } from "../../runtime/core/errors.ts";
import type { Stored } from "../../runtime/core/ports/stored.ts";
import type { TimerStore } from "../../runtime/core/ports/timer-store.ts";
import { batchIdOf, listenerOf, type Timer, type TimerName, type TimerRun } from "../../runtime/core/timer.ts";

export interface MemoryTimers extends TimerStore {
  put(timer: Timer): Stored<Timer>;
  row(name: TimerName): Timer;
  /** Makes its row one that cannot be read. */
  spoil(name: TimerName): void;
}

/** In the order of the real table's keys. */
const keyOf = ({ packageName, timerName }: TimerName): string => `${packageName}/${timerName}`;

export function createMemoryTimers(): MemoryTimers {
  const timers = new Map<string, Stored<Timer>>();
  const runs = new Map<string, Stored<TimerRun>>();
  const spoiled = new Set<string>();
  let version = 0;
  const stored = <T>(value: T): Stored<T> => ({ value, etag: `v${++version}` });

  function put(timer: Timer): Stored<Timer> {
    const row = stored(timer);
    timers.set(batchIdOf(timer), row);
    return row;
  }
  const ofTenant = (tenantName: string): readonly Timer[] =>
    [...timers.values()]
      .map(({ value }) => value)
      .filter((timer) => timer.tenantName === tenantName)
      .toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));

  return {
    put,
    row: (name) => timers.get(batchIdOf(name))!.value,
    spoil: (name) => void spoiled.add(batchIdOf(name)),
    get: (name) => Promise.resolve(timers.get(batchIdOf(name))),
    write(timer, etag) {
      const current = timers.get(batchIdOf(timer));
      if (current?.etag !== etag) return Promise.resolve({ written: false, current });
      return Promise.resolve({ written: true, etag: put(timer).etag });
    },
    remove(name, etag) {
      const key = batchIdOf(name);
      const current = timers.get(key);
      if (current !== undefined && current.etag !== etag) return Promise.resolve({ removed: false });
      timers.delete(key);
      return Promise.resolve({ removed: true });
    },
    async *all(onUnreadable) {
      for (const [key, row] of [...timers]) {
        await Promise.resolve();
        if (!spoiled.has(key)) yield row;
        else if (onUnreadable === undefined) throw new InvariantError("A timer's row cannot be read.");
        else onUnreadable(listenerOf(row.value), new InvariantError("A timer's row cannot be read."));
      }
    },
    ofPackage: (tenantName, packageName) =>
      Promise.resolve(
        [...timers.values()].filter(
          ({ value }) => value.tenantName === tenantName && value.packageName === packageName,
        ),
      ),
    async list(tenantName, { pageSize, continuationToken }) {
      await Promise.resolve();
      const all = ofTenant(tenantName);
      const start = continuationToken === undefined ? 0 : all.findIndex((timer) => keyOf(timer) === continuationToken);
      if (start === -1) throw invalidField("continuationToken", "is not one this list has given");
      const next = all[start + pageSize];
      return { items: all.slice(start, start + pageSize), continuationToken: next && keyOf(next) };
    },
    run: (batchId) => Promise.resolve(runs.get(batchId)),
    writeRun(run, etag) {
      const current = runs.get(run.batchId);
      if (current?.etag !== etag) return Promise.resolve({ written: false, current });
      const row = stored(run);
      runs.set(run.batchId, row);
      return Promise.resolve({ written: true, etag: row.etag });
    },
  };
}
