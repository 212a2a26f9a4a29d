/** The API's own subscription to events. The API serves requests without it, and it begins as soon as the broker allows. */
import { sleep } from "../../core/sleep.ts";
import { messageOf } from "../../core/errors.ts";
import type { PublishedEvent } from "../../core/job/events.ts";
import type { Logger } from "../../core/logger.ts";
import type { EventSource } from "../../core/ports/event-channel.ts";

export interface SubscribeDeps {
  readonly source: EventSource;
  readonly onEvent: (published: PublishedEvent) => void;
  /** Called when events may have been missed. */
  readonly onGap: () => void;
  readonly log: Logger;
}

const RETRY_MS = 5_000;
/** A broker that refuses every new link causes a gap at each try. Each makes all clients read again. */
export const GAP_EVERY_MS = 5_000;

/** Tries until the subscription exists. The returned function ends the tries; the source has a close of its own. */
export function subscribeToEvents({ source, onEvent, onGap, log }: SubscribeDeps): () => void {
  const stopped = new AbortController();
  const tellGap = paced(onGap, stopped.signal);
  const begin = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      try {
        await source.listen(onEvent, tellGap);
        // Clients may have connected before: they have received no event until now.
        tellGap();
        return;
      } catch (error) {
        log.warn({ error: messageOf(error) }, "the subscription to events failed; trying again");
        await sleep(RETRY_MS, stopped.signal);
      }
    }
  };
  void begin();
  return () => stopped.abort();
}

/** Calls `tell` at once, but at most every GAP_EVERY_MS. After the last call of many it is called once more. */
function paced(tell: () => void, signal: AbortSignal): () => void {
  let state: "ready" | "pausing" | "owing" = "ready";
  return function call() {
    if (state !== "ready") {
      state = "owing";
      return;
    }
    state = "pausing";
    tell();
    void sleep(GAP_EVERY_MS, signal).then(() => {
      const owes = state === "owing" && !signal.aborted;
      state = "ready";
      if (owes) call();
    });
  };
}
