/**
 * What is paused, and how many jobs tenants may run at once, as this process knows it: read from the table every two seconds, one query each time. While the table
 * cannot be read, the last answer stays.
 */
import { type Holds, NOTHING_PAUSED, type PauseSet, createPauseSet } from "../core/admission/pause.ts";
import { messageOf } from "../core/errors.ts";
import { PAUSES_READ_EVERY_MS } from "../core/limits.ts";
import type { Logger } from "../core/logger.ts";
import type { PauseReader } from "../core/ports/pause-store.ts";
import type { Unreadable } from "../core/unreadable.ts";

export interface PauseBoard {
  /** Resolves after the first read, or when the table could not be read. Until then nothing counts as paused. */
  readonly ready: Promise<void>;
  current(): PauseSet;
  /** Reads now. The reader of a change of its own does not wait for the next round. Throws UnavailableError. */
  refresh(): Promise<void>;
  /** Calls back after a read that found something else than the one before. */
  onChange(listener: () => void): void;
  stop(): void;
}

export interface PauseBoardDeps {
  readonly pauses: PauseReader;
  readonly unreadable: Pick<Unreadable, "note">;
  readonly log: Logger;
}

/** For a process that pauses nothing. */
export const NO_PAUSES: Pick<PauseBoard, "current" | "onChange"> = {
  current: () => NOTHING_PAUSED,
  onChange: () => undefined,
};

const textOf = ({ pauses, runningLimits }: Holds): string => JSON.stringify([pauses, runningLimits]);

export function startPauseBoard({ pauses, unreadable, log }: PauseBoardDeps): PauseBoard {
  const listeners: (() => void)[] = [];
  let current = NOTHING_PAUSED;
  let text = textOf(current);
  // Reads overlap: what an older one finds is not believed after a newer one.
  let lastBegun = 0;
  let lastBelieved = 0;
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;

  async function refresh(): Promise<void> {
    const read = ++lastBegun;
    const found = await pauses.list(unreadable.note);
    if (read < lastBelieved) return;
    lastBelieved = read;
    const foundText = textOf(found);
    if (foundText === text || isStopped) return;
    current = createPauseSet(found);
    text = foundText;
    for (const listener of listeners) listener();
  }

  async function round(): Promise<void> {
    try {
      await refresh();
    } catch (error) {
      log.warn({ error: messageOf(error) }, "what is paused could not be read; going on with the last answer");
    }
    if (isStopped) return;
    timer = setTimeout(() => void round(), PAUSES_READ_EVERY_MS);
    timer.unref();
  }

  return {
    ready: round(),
    current: () => current,
    refresh,
    onChange: (listener) => void listeners.push(listener),
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}
