/** How a package declares a timer: a job that a schedule starts, on whichever worker is free. */
import type { Priority } from "../core/job/priority.ts";
import type { RetryPolicy } from "../core/job/retry.ts";
import { TIMER_GRACE_DEFAULT_SECONDS } from "../core/limits.ts";
import type { Misfire, Overlap } from "../core/package/manifest.ts";
import type { Job, JobResult, TimerCause, TimerContext, TimerFacts } from "./job-context.ts";
import {
  type ExecutionOptions,
  type JobDefinition,
  type MaybePromise,
  NonRetryableError,
  markJob,
} from "./define-job.ts";

/** All are literals (or constants that are): `jobyard pack` reads them from the source without running it. */
export interface TimerOptions extends ExecutionOptions {
  /**
   * Unique within the package, also without regard to capitals: letters, digits, inner hyphens and underscores. Default:
   * the name of the export, of a default export that of its file.
   */
  readonly name?: string;
  /**
   * Six fields, `second minute hour day month weekday` (`"0 *\/10 * * * *"`: every ten minutes; five fields are taken
   * without seconds), or a time span `[d.]hh:mm:ss` (`"00:10:00"`).
   */
  readonly cron: string;
  /** An IANA name (`"Europe/Vienna"`) or a Windows one (`"W. Europe Standard Time"`). Default: UTC. */
  readonly timeZone?: string;
  /**
   * What becomes of ticks that could not run in time. `"once"` (default): one run stands for all of them. `"skip"`: none.
   * `{ all: 5 }`: the latest five are run, one by one.
   */
  readonly misfire?: Misfire;
  /**
   * What becomes of a tick that meets a run of this timer. `"skip"` (default): it is left out, and that is recorded.
   * `"queue"`: one waits until that run has ended. `"allow"`: both run.
   */
  readonly overlap?: Overlap;
  /** A run that starts later than its tick by more than this is late: `misfire` decides. Default: 60. */
  readonly graceSeconds?: number;
  /** Also run once when a version of the package is published. Default: false. */
  readonly runOnDeploy?: boolean;
  /** The worker pool its runs go to. Default: "default". */
  readonly pool?: string;
  /** Default: "normal". */
  readonly priority?: Priority;
  /**
   * Default: a run that fails is not tried again, since the next tick comes anyway. Given, its fields override those of
   * the default policy (3 attempts, exponential backoff). A run that waits for its next attempt still is the timer's run.
   */
  readonly retry?: Partial<RetryPolicy>;
}

/**
 * Declares a timer. Export it, as default or by name, from any source file of the package; publishing the package is all
 * it takes to have it run:
 *
 * ```ts
 * export default scalableTimerJob({ cron: "0 30 2 * * *", timeZone: "Europe/Vienna" }, async (ctx: TimerContext<Services>) => {
 *   ctx.log("Due at", ctx.timer.scheduledAt, "after", ctx.timer.missedCount, "missed");
 *   const rows = await ctx.services.reports.rowsOf(ctx.timer.scheduledAt, ctx.signal);
 *   await writeFile(join(ctx.outputPath, "report.json"), JSON.stringify(rows));
 *   return { output: { rows: rows.length } };
 * });
 * ```
 *
 * Like any job it runs at least once: a machine can die after the work and before its recording. Key effects outside by
 * `ctx.jobId`, which is the same for every start of one tick, or fence them by `ctx.timer.fence`.
 */
export function scalableTimerJob<Services = unknown>(
  options: TimerOptions,
  run: (context: TimerContext<Services>) => MaybePromise<JobResult | undefined>,
): JobDefinition {
  const { name, retry, timeoutMs, idleTimeoutMs, memoryMb, isolation, graceSeconds } = options;
  return markJob({
    ...{ jobType: name, retry, timeoutMs, idleTimeoutMs, memoryMb, isolation },
    async run(job, context) {
      const timer = timerFactsOf(job, new Date(), graceSeconds);
      const { jobId, batchId, tenantName, attempt, interruption, claimId, workerId } = job;
      const facts = { jobId, batchId, tenantName, attempt, interruption, claimId, workerId, timer };
      // The runtime gives every job of a package what that package's own setup returned.
      const result = await run({ ...(context as TimerContext<Services>), ...facts });
      return result ?? undefined;
    },
  });
}

// Reads what a run of a timer is told from the parameters of its job.

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
