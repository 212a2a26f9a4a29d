/** The time at which a job may start, as a caller gives it. */
import { invalidField } from "../../core/errors.ts";
import { START_AHEAD_MAX_MS } from "../../core/limits.ts";

const DAY_MS = 24 * 60 * 60_000;

/** Without either it is now. Throws InvalidRequestError. */
export function startTimeOf(
  { runAt, delayMs }: { readonly runAt?: Date | undefined; readonly delayMs?: number | undefined },
  now: Date,
): Date {
  const startAt = runAt ?? new Date(now.getTime() + (delayMs ?? 0));
  if (startAt.getTime() - now.getTime() > START_AHEAD_MAX_MS) {
    throw invalidField("runAt", `must be at most ${START_AHEAD_MAX_MS / DAY_MS} days ahead`);
  }
  return startAt;
}
