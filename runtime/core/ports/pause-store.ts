/** What is paused, and how many jobs tenants may run at once. Workers read it every two seconds; only the API writes it. */
import type { RunningLimit } from "../admission/limit.ts";
import type { Holds, Pause, PausedSubject } from "../admission/pause.ts";
import type { OnUnreadable } from "./stored.ts";

export interface PauseReader {
  /** All of it. Throws UnavailableError. A row that cannot be read is skipped, if there is someone to tell. */
  list(onUnreadable?: OnUnreadable): Promise<Holds>;
}

export interface PauseStore extends PauseReader {
  /** Adds the pause, or replaces the one of the same subject. */
  put(pause: Pause): Promise<void>;
  /** False: it was not paused. */
  remove(subject: PausedSubject): Promise<boolean>;
  /** Sets the limit of a tenant, or replaces it. */
  putRunningLimit(limit: RunningLimit): Promise<void>;
  /** Does nothing if there is none. */
  removeRunningLimit(tenantName: string): Promise<void>;
}
