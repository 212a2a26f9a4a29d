/** Looks at something outside the machine, again and again; a look that fails is told once, until one succeeds. */
import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";

export interface LookDeps {
  readonly look: (signal: AbortSignal) => Promise<void>;
  /** Resolves when it is time for the next look, or when the signal fires. */
  readonly pause: (signal: AbortSignal) => Promise<void>;
  /** What the log says of looks that fail. */
  readonly complaint: string;
  readonly log: Logger;
}

/** Goes on until the returned function is called, which waits for a look under way. */
export function keepLooking({ look, pause, complaint, log }: LookDeps): () => Promise<void> {
  const stopping = new AbortController();
  const { signal } = stopping;
  let failing = false;

  async function go(): Promise<void> {
    while (!signal.aborted) {
      await look(signal).then(
        () => {
          failing = false;
        },
        (error: unknown) => {
          if (!failing && !signal.aborted) log.warn({ error: messageOf(error) }, complaint);
          failing = true;
        },
      );
      await pause(signal);
    }
  }

  const going = go();
  return async () => {
    stopping.abort(new Error("The worker stops."));
    await going;
  };
}
