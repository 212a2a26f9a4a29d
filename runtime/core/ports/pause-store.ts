/** What is paused. Workers read it every two seconds; only the API writes it. */
import type { Pause, PausedSubject } from "../admission/pause.ts";
import type { OnUnreadable } from "./stored.ts";

export interface PauseReader {
  /** All pauses. Throws UnavailableError. A row that cannot be read is skipped, if there is someone to tell. */
  list(onUnreadable?: OnUnreadable): Promise<readonly Pause[]>;
}

export interface PauseStore extends PauseReader {
  /** Adds the pause, or replaces the one of the same subject. */
  put(pause: Pause): Promise<void>;
  /** False: it was not paused. */
  remove(subject: PausedSubject): Promise<boolean>;
}
