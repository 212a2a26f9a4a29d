/** How events travel from their publishers to their followers. */
import type { PublishedEvent } from "../job/events.ts";

export interface EventPublisher {
  /**
   * Takes an event and returns at once: it is sent when the broker takes it, in the order given, and dropped when too
   * many wait. Never throws.
   */
  publish(event: PublishedEvent): void;
  /** Sends waiting events for a short time, and drops the rest. */
  close(): Promise<void>;
}

export interface EventSource {
  /**
   * Hands over every event published from the moment this resolves, until the source is closed: also those of other
   * processes, in the order the broker has them, rarely one twice. After a lost connection it goes on by itself; `onGap`
   * says that events may have been missed. Throws UnavailableError.
   */
  listen(onEvent: (event: PublishedEvent) => void, onGap: () => void): Promise<void>;
  close(): Promise<void>;
}
