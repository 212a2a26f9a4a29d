/** Timers in requests and answers of the web API. */
import * as z from "zod";
import { believedTimer } from "../timer/believed.ts";
import type { Job } from "../job/job.ts";
import { TIMER_OCCURRENCES_DEFAULT, TIMER_OCCURRENCES_MAX } from "../limits.ts";
import { cronSchema, timeZoneSchema } from "../package/manifest-timers.ts";
import { packageName, pageFields, tenantName } from "./requests.ts";
import { ScheduleError } from "../errors.ts";
import { scheduleWarnings } from "../schedule/schedule-warnings.ts";
import { parseSchedule, ticksBetween } from "../schedule/schedule.ts";
import { isTerminal } from "../job/states.ts";
import { batchIdOf, listenerOf, type Timer, type TimerRun } from "../timer/timer.ts";
import { jobStateSchema, prioritySchema, type Frozen } from "./views.ts";

export const timersParams = z.object({ tenantName: tenantName.meta({ description: "Whose timers." }) });

export const timerParams = timersParams.extend({
  packageName: packageName.meta({ description: "The package that declares it.", examples: ["metadata-export.zip"] }),
  timerName: z.string().meta({ description: "The timer.", examples: ["metadata-export"] }),
});

export const timerScheduleSchema = z
  .strictObject({
    cron: cronSchema.meta({
      description: "Cron with a field for seconds, or a time span.",
      examples: ["0 30 2 * * *"],
    }),
    timeZone: timeZoneSchema.default("UTC").meta({ description: "IANA name.", examples: ["Europe/Vienna"] }),
  })
  .meta({ id: "TimerSchedule", description: "When a timer ticks, in place of what its package declares." });

export type TimerScheduleInput = z.input<typeof timerScheduleSchema>;

export const runTimerSchema = z
  .strictObject({
    parameters: z
      .unknown()
      .optional()
      .meta({ description: "Any JSON for its code, as `ctx.timer.parameters`; up to 8 KiB. No schema is checked." }),
  })
  .meta({ id: "RunTimer" });

export const listTimersSchema = z.strictObject(pageFields);

export const nextOccurrencesSchema = z.strictObject({
  count: z.coerce.number().int().min(1).max(TIMER_OCCURRENCES_MAX).default(TIMER_OCCURRENCES_DEFAULT).meta({
    description: "How many.",
  }),
});

const instant = z.iso.datetime();
const count = z.int().min(0);

export const timerViewSchema = z
  .object({
    tenantName: z.string(),
    packageName: z.string(),
    timerName: z.string(),
    listener: z.string().meta({ description: "What its ticks are addressed to: `{tenantName}.{package}.{timer}`." }),
    enabled: z.boolean().meta({ description: "It ticks: it is not paused." }),
    pausedAt: instant.optional(),
    pausedBy: z.string().optional(),
    cron: z.string().meta({ description: "Cron with a field for seconds, or a time span." }),
    timeZone: z.string(),
    warnings: z.array(z.string()).optional().meta({
      description: "What the schedule may have been meant to be otherwise, or why it does not tick. Absent: nothing.",
    }),
    override: z
      .object({ declaredCron: z.string(), declaredTimeZone: z.string(), setAt: instant, setBy: z.string() })
      .optional()
      .meta({ description: "Its tenant's schedule is in force; so the package declares it, and so it was set." }),
    misfire: z
      .union([z.enum(["once", "skip"]), z.object({ all: z.int().min(1) })])
      .meta({ description: "What becomes of ticks that could not run in time." }),
    overlap: z.enum(["skip", "queue", "allow"]).meta({ description: "What becomes of a tick that meets a run." }),
    graceSeconds: z.number().min(0).meta({ description: "A run that starts later than that is past due." }),
    runOnDeploy: z.boolean(),
    pool: z.string(),
    priority: prioritySchema,
    batchId: z.string().meta({ description: "The batch of all its runs." }),
    next: instant.optional().meta({ description: "By its schedule. Absent while it is paused." }),
    sentUpTo: instant.optional().meta({
      description:
        "Ticks up to here lie with the broker. Ticks are sent some minutes ahead: when `next` is near and later than " +
        "this, no API instance sends them. Absent: nothing has been sent yet.",
    }),
    lastScheduledAt: instant.optional().meta({ description: "The tick of the latest run." }),
    lastStartedAt: instant.optional(),
    lastFinishedAt: instant.optional().meta({ description: "Absent while the latest run goes on." }),
    lastResult: jobStateSchema.optional().meta({ description: "Where the latest run stands. Absent: there was none." }),
    lastJobId: z.string().optional(),
    lastWorkerId: z.string().optional().meta({ description: "The worker that ran it last." }),
    isRunning: z.boolean(),
    missedCount: count.meta({ description: "Ticks that came too late, or never, and were not run." }),
    lastMissedAt: instant.optional(),
    skippedCount: count.meta({ description: "Ticks that met a run and were not run." }),
    lastSkippedAt: instant.optional(),
    waitingCount: count.meta({ description: "Runs that wait for the one that goes on." }),
    fence: count.meta({ description: "Grows with every start; each run is given its own." }),
  })
  .meta({ id: "Timer", description: "A schedule of a package, and what became of its ticks." });

export type TimerView = Frozen<z.infer<typeof timerViewSchema>>;

export const occurrencesSchema = z
  .object({ items: z.array(instant) })
  .meta({ id: "TimerOccurrences", description: "Instants at which it ticks, in their order." });

/** `job` is the current job that `run` names. Both are undefined when there is none. */
export function timerView(timer: Timer, run: TimerRun | undefined, job: Job | undefined, now: Date): TimerView {
  const { pausedAt, pausedBy } = timer;
  const { scheduledUpTo, activeFrom } = believedTimer(timer, now);
  const { next, warnings } = scheduleView(timer, now);
  return {
    tenantName: timer.tenantName,
    packageName: timer.packageName,
    timerName: timer.timerName,
    listener: listenerOf(timer),
    enabled: pausedAt === undefined,
    ...(pausedAt && { pausedAt: pausedAt.toISOString() }),
    ...(pausedBy !== undefined && { pausedBy }),
    cron: timer.cron,
    timeZone: timer.timeZone,
    ...(warnings.length > 0 && { warnings }),
    ...(timer.override && { override: { ...timer.override, setAt: timer.override.setAt.toISOString() } }),
    misfire: timer.misfire,
    overlap: timer.overlap,
    graceSeconds: timer.graceMs / 1_000,
    runOnDeploy: timer.runOnDeploy,
    pool: timer.pool,
    priority: timer.priority,
    batchId: batchIdOf(timer),
    ...(next !== undefined && pausedAt === undefined && { next }),
    ...(scheduledUpTo > activeFrom && { sentUpTo: scheduledUpTo.toISOString() }),
    ...(run?.lastScheduledAt && { lastScheduledAt: run.lastScheduledAt.toISOString() }),
    ...lastRun(job),
    isRunning: job?.state === "running",
    missedCount: run?.missedCount ?? 0,
    ...(run?.lastMissedAt && { lastMissedAt: run.lastMissedAt.toISOString() }),
    skippedCount: run?.skippedCount ?? 0,
    ...(run?.lastSkippedAt && { lastSkippedAt: run.lastSkippedAt.toISOString() }),
    waitingCount: run?.waitingJobIds.length ?? 0,
    fence: run?.fence ?? 0,
  };
}

function lastRun(
  job: Job | undefined,
): Pick<TimerView, "lastStartedAt" | "lastFinishedAt" | "lastResult" | "lastJobId" | "lastWorkerId"> {
  if (job === undefined) return {};
  const { startedAt, endedAt, state, jobId, claim, history } = job;
  const lastWorkerId = claim?.workerId ?? history.at(-1)?.workerId;
  return {
    ...(startedAt && { lastStartedAt: startedAt.toISOString() }),
    // Between two attempts `endedAt` is the end of the last attempt, and the job goes on.
    ...(endedAt && isTerminal(state) && { lastFinishedAt: endedAt.toISOString() }),
    lastResult: state,
    lastJobId: jobId,
    ...(lastWorkerId !== undefined && { lastWorkerId }),
  };
}

/** What is wrong with a schedule that this version cannot read is a warning: the rest of the timer can be shown. */
function scheduleView(
  timer: Timer,
  now: Date,
): { readonly next?: string | undefined; readonly warnings: readonly string[] } {
  try {
    return { next: occurrences(timer, now, 1)[0], warnings: scheduleWarnings(timer) };
  } catch (error) {
    if (error instanceof ScheduleError) return { warnings: [`It does not tick. ${error.message}`] };
    throw error;
  }
}

/** The next `maxCount` ticks after a moment, as the API writes instants. Fewer when there are no more within 40 years. */
export function occurrences(timer: Pick<Timer, "cron" | "timeZone">, after: Date, maxCount: number): readonly string[] {
  const end = new Date(after.getTime() + LOOK_AHEAD_MS);
  return ticksBetween(parseSchedule(timer), after, end, maxCount).map((tick) => tick.toISOString());
}

/** How clocks change further ahead is not known. */
const LOOK_AHEAD_MS = 40 * 366 * 24 * 60 * 60_000;
