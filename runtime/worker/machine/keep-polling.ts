/** Polls something outside the machine. The log has the first failure of a row of failures. */
import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";

export interface PollDeps {
  readonly poll: (signal: AbortSignal) => Promise<void>;
  /** Resolves when it is time for the next poll, or when the signal fires. */
  readonly pause: (signal: AbortSignal) => Promise<void>;
  /** What the log says of polls that fail. */
  readonly failureMessage: string;
  readonly log: Logger;
}

/** Goes on until the returned function is called, which waits for a poll under way. */
export function keepPolling({ poll, pause, failureMessage, log }: PollDeps): () => Promise<void> {
  const stopping = new AbortController();
  const { signal } = stopping;
  let failing = false;

  async function run(): Promise<void> {
    while (!signal.aborted) {
      await poll(signal).then(
        () => {
          failing = false;
        },
        (error: unknown) => {
          if (!failing && !signal.aborted) log.warn({ error: messageOf(error) }, failureMessage);
          failing = true;
        },
      );
      await pause(signal);
    }
  }

  const running = run();
  return async () => {
    stopping.abort(new Error("The worker stops."));
    await running;
  };
}
