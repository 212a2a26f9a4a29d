/** Reads what a run of a timer is told from the parameters of its job. */
import { TIMER_GRACE_DEFAULT_SECONDS } from "../core/limits.ts";
import type { Job, TimerCause, TimerFacts } from "./context.ts";
import { NonRetryableError } from "./errors.ts";

const CAUSES: readonly unknown[] = ["schedule", "manual", "deploy"] satisfies readonly TimerCause[];

/**
 * A job without parameters, as by `jobyard run` or a plain submit, is a manual run asked for at this moment. Throws
 * NonRetryableError for parameters that are none of a timer's: they will be the same next time.
 */
export function timerFactsOf(
  { jobType, parameters, fence = 0 }: Pick<Job, "jobType" | "parameters" | "fence">,
  now: Date,
  graceSeconds = TIMER_GRACE_DEFAULT_SECONDS,
): TimerFacts {
  const manual = {
    name: jobType,
    trigger: "manual",
    scheduledAt: now,
    isPastDue: false,
    missedCount: 0,
    fence,
  } as const;
  if (parameters === undefined || parameters === null) return manual;
  const refused = (reason: string): NonRetryableError =>
    new NonRetryableError(`The parameters do not fit the timer ${jobType}: ${reason}. Leave them out to run it now.`);
  if (typeof parameters !== "object" || Array.isArray(parameters)) throw refused("expected an object");
  const fields = parameters as Readonly<Record<string, unknown>>;
  if (Object.keys(fields).length === 0) return manual;

  const trigger = fields["trigger"];
  if (!isCause(trigger)) throw refused("trigger: expected schedule, manual or deploy");
  const missedCount = fields["missedCount"] ?? 0;
  if (typeof missedCount !== "number" || !Number.isSafeInteger(missedCount) || missedCount < 0) {
    throw refused("missedCount: expected a whole number from 0");
  }
  const scheduledAt = instantOf(fields, "scheduledAt", refused);
  if (scheduledAt === undefined) throw refused("scheduledAt: expected an instant such as 2030-01-31T08:00:00Z");
  const firstMissedAt = instantOf(fields, "firstMissedAt", refused);
  const lastMissedAt = instantOf(fields, "lastMissedAt", refused);
  return {
    ...{ name: jobType, trigger, scheduledAt, missedCount, fence },
    // Only a schedule makes anything due.
    isPastDue: trigger === "schedule" && now.getTime() > scheduledAt.getTime() + graceSeconds * 1_000,
    ...(firstMissedAt === undefined ? {} : { firstMissedAt }),
    ...(lastMissedAt === undefined ? {} : { lastMissedAt }),
  };
}

const isCause = (value: unknown): value is TimerCause => CAUSES.includes(value);

function instantOf(
  fields: Readonly<Record<string, unknown>>,
  name: string,
  refused: (reason: string) => Error,
): Date | undefined {
  const value = fields[name];
  if (value === undefined) return undefined;
  const instant = new Date(typeof value === "string" ? value : Number.NaN);
  if (Number.isNaN(instant.getTime())) throw refused(`${name}: expected an instant such as 2030-01-31T08:00:00Z`);
  return instant;
}
