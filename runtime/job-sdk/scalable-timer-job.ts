/** Declares a timer: a job that starts on a schedule, on any free worker. */
import type { Priority } from "../core/job/priority.ts";
import type { RetryPolicy } from "../core/job/retry.ts";
import { TIMER_GRACE_DEFAULT_SECONDS } from "../core/limits.ts";
import type { Misfire, Overlap } from "../core/package/manifest.ts";
import type { Job, JobContext, JobResult, TimerCause, TimerContext, TimerFacts } from "./job-context.ts";
import {
  type ExecutionOptions,
  type JobDefinition,
  type MaybePromise,
  NonRetryableError,
  markJob,
} from "./define-job.ts";

/** All values are literals or constants: `jobyard pack` reads them from the source without running it. */
export interface TimerOptions extends ExecutionOptions {
  /**
   * Unique within the package, ignoring case: letters, digits, inner hyphens and underscores. Default: the name of the
   * export; for a default export, the name of its file.
   */
  readonly name?: string;
  /**
   * Six fields, `second minute hour day month weekday` (`"0 *\/10 * * * *"`: every ten minutes; with five fields the
   * seconds are 0), or a time span `[d.]hh:mm:ss` (`"00:10:00"`).
   */
  readonly cron: string;
  /** An IANA name (`"Europe/Vienna"`) or a Windows one (`"W. Europe Standard Time"`). Default: UTC. */
  readonly timeZone?: string;
  /**
   * Handling of ticks that could not run in time. `"once"` (default): one run replaces all of them. `"skip"`: none.
   * `{ all: 5 }`: the latest five run, one by one.
   */
  readonly misfire?: Misfire;
  /**
   * Handling of a tick while another run is active. `"skip"` (default): the tick is skipped and recorded.
   * `"queue"`: one run waits for the active one. `"allow"`: both run.
   */
  readonly overlap?: Overlap;
  /** A run that starts later than this after its tick is late, and `misfire` applies. Default: 60. */
  readonly graceSeconds?: number;
  /** Also runs once when a version of the package is published. Default: false. */
  readonly runOnDeploy?: boolean;
  /** The worker pool of its runs. Default: "default". */
  readonly pool?: string;
  /** Default: "normal". */
  readonly priority?: Priority;
  /**
   * Default: a failed run is not tried again, because the next tick follows anyway. If given, its fields override those
   * of the default policy (3 attempts, exponential backoff). A run that waits for its next attempt is still active.
   */
  readonly retry?: Partial<RetryPolicy>;
}

/**
 * Declares a timer. Export it, as default or by name, from any source file of the package. Publishing the package
 * starts the timer:
 *
 * ```ts
 * export default scalableTimerJob({ cron: "0 30 2 * * *", timeZone: "Europe/Vienna" }, async (ctx:
 * TimerContext<Services>) => {
 *   ctx.log("Due at", ctx.timer.scheduledAt, "after", ctx.timer.missedCount, "missed");
 *   const rows = await ctx.services.reports.rowsOf(ctx.timer.scheduledAt, ctx.signal);
 *   await writeFile(join(ctx.outputPath, "report.json"), JSON.stringify(rows));
 *   return { output: { rows: rows.length } };
 * });
 * ```
 *
 * Like any job it runs at least once: a machine can fail after the work and before the result is recorded. Key outside
 * effects by `ctx.jobId`, which is the same for every start of one tick, or fence them by `ctx.timer.fence`.
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
      // The runtime passes each package's own services to its jobs.
      const result = await run(withFacts(context as JobContext<Services>, facts));
      return result ?? undefined;
    },
  });
}

/** Copies no value of the context: a job in a shared process gets its directories when it asks for their paths. */
const withFacts = <Services>(
  context: JobContext<Services>,
  facts: Omit<TimerContext<Services>, keyof JobContext<Services>>,
): TimerContext<Services> =>
  Object.defineProperties({} as TimerContext<Services>, {
    ...Object.getOwnPropertyDescriptors(context),
    ...Object.getOwnPropertyDescriptors(facts),
  });

const CAUSES: readonly unknown[] = ["schedule", "manual", "deploy"] satisfies readonly TimerCause[];

/**
 * Reads the facts of a timer's run from the parameters of its job. A job whose parameters name no trigger, from `jobyard run` or
 * a plain submit, is a manual run at this moment with these parameters. Throws NonRetryableError for facts that cannot be read,
 * because a retry would have the same ones.
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
  if (typeof parameters !== "object" || !("trigger" in parameters)) return { ...manual, parameters };
  const refused = (reason: string): NonRetryableError =>
    new NonRetryableError(
      `The parameters of the timer ${jobType} have a trigger, but are not what a run is told: ${reason}.`,
    );
  const fields = parameters as Readonly<Record<string, unknown>>;
  const { trigger } = parameters;
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
    // Only a scheduled run can be late.
    isPastDue: trigger === "schedule" && now.getTime() > scheduledAt.getTime() + graceSeconds * 1_000,
    ...(firstMissedAt === undefined ? {} : { firstMissedAt }),
    ...(lastMissedAt === undefined ? {} : { lastMissedAt }),
    ...("parameters" in fields ? { parameters: fields["parameters"] } : {}),
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
