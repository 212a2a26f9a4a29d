/**
 * Keeps children started before there is a job for them, so that a job waits milliseconds instead of a start of Node.
 * Each is given away once: to one attempt, or to the jobs of one package that share it.
 */
import type { HostChild } from "./host-child.ts";
import { LaunchError } from "../os/launch.ts";

export interface ChildPool {
  /** A child for this caller alone. Throws LaunchError, or the signal's reason. */
  take(signal: AbortSignal): Promise<HostChild>;
  /** Ends the spares, and no more are started. */
  close(): Promise<void>;
}

export interface ChildPoolDeps {
  /** Children kept ready. 0: each is started when it is wanted. */
  readonly spares: number;
  /** Resolves when the child is ready. */
  readonly start: () => Promise<HostChild>;
  readonly end: (child: HostChild) => Promise<void>;
}

interface Spare {
  readonly child: Promise<HostChild>;
  isReady: boolean;
}

/** After a spare that did not start or ended by itself: the machine may be short of something. */
const RETRY_MS = 1_000;

export function createChildPool({ spares: wanted, start, end }: ChildPoolDeps): ChildPool {
  const spares: Spare[] = [];
  /** Children that are not used, until they are gone. */
  const unwanted = new Set<Promise<void>>();
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  function fill(): void {
    while (!closed && retry === undefined && spares.length < wanted) add(start());
  }

  function add(child: Promise<HostChild>): void {
    if (closed) {
      discard(child);
      return;
    }
    const spare: Spare = { child, isReady: false };
    spares.push(spare);
    child.then(
      ({ process }) => {
        spare.isReady = true;
        void process.exit.then(() => drop(spare));
      },
      () => drop(spare),
    );
  }

  /** A spare that is no longer usable, unless it was taken already. */
  function drop(spare: Spare): void {
    if (!remove(spare)) return;
    // Its pipes are still open.
    discard(spare.child);
    if (closed) return;
    retry ??= setTimeout(() => {
      retry = undefined;
      fill();
    }, RETRY_MS);
  }

  function discard(child: Promise<HostChild>): void {
    const gone = child.then(end, () => undefined).finally(() => unwanted.delete(gone));
    unwanted.add(gone);
  }

  function remove(spare: Spare): boolean {
    const index = spares.indexOf(spare);
    if (index >= 0) spares.splice(index, 1);
    return index >= 0;
  }

  function takeSpare(): Promise<HostChild> | undefined {
    const spare = spares.find(({ isReady }) => isReady) ?? spares[0];
    if (spare === undefined) return undefined;
    remove(spare);
    // The next one starts after the taken one got its job.
    setImmediate(fill);
    // One that did not start says nothing about the next.
    return spare.child.catch(() => start());
  }

  fill();

  return {
    async take(signal) {
      signal.throwIfAborted();
      if (closed) throw new LaunchError("This worker starts no more processes.");
      const child = takeSpare() ?? start();
      const aborted = new Promise<undefined>((resolve) => {
        signal.addEventListener("abort", () => resolve(undefined), { once: true });
      });
      const taken = await Promise.race([child, aborted]);
      if (taken !== undefined && !signal.aborted) return taken;
      // It is unused, so it is as good as any other spare.
      if (spares.length >= wanted) discard(child);
      else add(child);
      throw signal.reason;
    },

    async close() {
      closed = true;
      clearTimeout(retry);
      for (const { child } of spares.splice(0)) discard(child);
      await Promise.all(unwanted);
    },
  };
}
