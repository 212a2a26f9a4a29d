import type { NotedLease } from "../../runtime/core/ports/worker-store.ts";

/** A lease that its only process always has. */
export function heldLease(): NotedLease {
  let doneAt: Date | undefined;
  return {
    hold: () => Promise.resolve(true),
    noteDone() {
      doneAt = new Date();
      return Promise.resolve();
    },
    doneAt: () => Promise.resolve(doneAt),
    release: () => Promise.resolve(),
  };
}
