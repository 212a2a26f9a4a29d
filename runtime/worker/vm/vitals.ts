/**
 * Whether a worker is well, and whether it is alive: two questions with two consequences. A worker that is not well gets
 * its machine replaced; one that is not alive gets its process started anew. A busy one is both, whatever else is wrong:
 * neither consequence is worth its jobs.
 */
import { BUS_AWAY_UNHEALTHY_MS, START_UNHEALTHY_MS } from "../../core/limits.ts";
import type { Contact } from "../intake.ts";

export interface Vitals {
  /** By a clock that never jumps. */
  readonly now: number;
  /** When the process began. */
  readonly startedAt: number;
  /** Undefined until it receives. */
  readonly contact: Contact | undefined;
  readonly runningCount: number;
  /** It is on its way out, or waits for its machine to go. */
  readonly leaving: boolean;
  /** Something of this machine does not work any more, and will not by a restart of the worker. */
  readonly defective: boolean;
}

/** An open receive returns after a minute, with or without a message. Three times as long it has been forgotten. */
const STALLED_AFTER_MS = 3 * 60_000;

export function isWell({ now, startedAt, contact, runningCount, leaving, defective }: Vitals): boolean {
  if (runningCount > 0 || leaving) return true;
  if (defective) return false;
  if (contact === undefined) return now - startedAt < START_UNHEALTHY_MS;
  return contact.failingSince === undefined || now - contact.failingSince < BUS_AWAY_UNHEALTHY_MS;
}

/** Asking is half of the answer: a process whose event loop stands still does not ask. */
export function isAlive({ now, contact, runningCount, leaving }: Vitals): boolean {
  if (runningCount > 0 || leaving || contact === undefined) return true;
  return !contact.waiting || now - contact.returnedAt < STALLED_AFTER_MS;
}
