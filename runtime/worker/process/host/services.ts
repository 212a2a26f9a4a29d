/** What `setup` of a package made, once for all jobs of a process. */

import { abortable } from "../../abortable.ts";

export interface Services<Key> {
  /**
   * What `make` made for this key, now or earlier. A failure is for those who waited for it; the next one tries again.
   * Rejects with the signal's reason when that fires first.
   */
  get(make: () => Promise<unknown>, key: Key, signal: AbortSignal): Promise<unknown>;
}

export function createServices<Key>(): Services<Key> {
  const made = new Map<Key, Promise<unknown>>();
  return {
    async get(make, key, signal) {
      let services = made.get(key);
      if (services === undefined) {
        services = make();
        made.set(key, services);
        services.catch(() => made.delete(key));
      }
      return abortable(services, signal);
    },
  };
}
