/** The timers of a `job.json`: the rules for each field and for all timers together. */
import { z } from "zod";
import { POOL_NAME_PATTERN } from "../job/ids.ts";
import {
  CRON_MAX_LENGTH,
  MISFIRE_ALL_MAX,
  PACKAGE_MAX_TIMERS,
  POOL_NAME_MAX_LENGTH,
  TIMER_GRACE_MAX_SECONDS,
  TIMER_NAME_MAX_LENGTH,
} from "../limits.ts";
import { matching, oneLine, strictObject, wholeNumber } from "./manifest-fields.ts";
import { PRIORITIES, type Priority } from "../job/priority.ts";
import { ScheduleError } from "../errors.ts";
import { parseSchedule } from "../schedule/schedule.ts";
import { zoneOf } from "../schedule/zone.ts";

/**
 * What to do about ticks that could not run in time: run once for all of them, leave them out, or run for each of the
 * latest so many.
 */
export type Misfire = "once" | "skip" | { readonly all: number };

/** What to do with a tick that meets a run of the same timer: leave it out, let one wait, or let both run. */
export type Overlap = "skip" | "queue" | "allow";

/** A job type of the package that runs on a schedule. */
export interface ManifestTimer {
  /** Unique within the package, also without regard to capitals; a job type of the package. */
  readonly timerName: string;
  readonly cron: string;
  /** IANA name. Default: UTC. */
  readonly timeZone?: string | undefined;
  /** Default: "once". */
  readonly misfire?: Misfire | undefined;
  /** Default: "skip". */
  readonly overlap?: Overlap | undefined;
  /** Seconds a run may start after its tick and still be in time. Default: 60. */
  readonly graceSeconds?: number | undefined;
  /** Also run once for every published version. Default: false. */
  readonly runOnDeploy?: boolean | undefined;
  /** Default: "default". */
  readonly pool?: string | undefined;
  /** Default: "normal". */
  readonly priority?: Priority | undefined;
}

/** Part of a subscription's name, between dots. */
const TIMER_NAME_PATTERN = new RegExp(`^(?=.{1,${TIMER_NAME_MAX_LENGTH}}$)[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?$`);

export const TIMER_NAME_RULE = `1 to ${TIMER_NAME_MAX_LENGTH} letters, digits, inner hyphens and underscores`;

export const timerNameSchema = matching(TIMER_NAME_PATTERN, TIMER_NAME_RULE);

/** Text that a function reads, which throws ScheduleError for what it cannot read. */
const scheduleText = (schema: z.ZodType<string>, read: (text: string) => unknown) =>
  schema.superRefine((text, context) => {
    const message = scheduleProblem(() => read(text));
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });

/** What is wrong with a schedule, without the full stop; undefined: nothing. */
export function scheduleProblem(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (error instanceof ScheduleError) return error.message.replace(/\.$/, "");
    throw error;
  }
}

export const cronSchema = scheduleText(oneLine(CRON_MAX_LENGTH), (cron) => parseSchedule({ cron }));

export const timeZoneSchema = scheduleText(z.string("expected a time zone such as Europe/Vienna"), zoneOf);

const MISFIRE = `expected "once", "skip" or { "all": a whole number from 1 to ${MISFIRE_ALL_MAX} }`;

export const misfireSchema = z.union(
  [z.literal(["once", "skip"]), strictObject({ all: wholeNumber(1, MISFIRE_ALL_MAX) })],
  MISFIRE,
);

export const overlapSchema = z.enum(["skip", "queue", "allow"], 'expected "skip", "queue" or "allow"');

export const graceSecondsSchema = wholeNumber(0, TIMER_GRACE_MAX_SECONDS);

export const runOnDeploySchema = z.boolean("expected true or false");

export const poolSchema = matching(
  POOL_NAME_PATTERN,
  `the name of a pool: 1 to ${POOL_NAME_MAX_LENGTH} lower-case letters, digits and inner hyphens`,
);

const manifestPrioritySchema = z.enum(PRIORITIES, `expected ${PRIORITIES.map((name) => `"${name}"`).join(", ")}`);

export const manifestTimer = strictObject({
  timerName: timerNameSchema,
  cron: cronSchema,
  timeZone: timeZoneSchema.optional(),
  misfire: misfireSchema.optional(),
  overlap: overlapSchema.optional(),
  graceSeconds: graceSecondsSchema.optional(),
  runOnDeploy: runOnDeploySchema.optional(),
  pool: poolSchema.optional(),
  priority: manifestPrioritySchema.optional(),
}) satisfies z.ZodType<ManifestTimer>;

interface TimerProblem {
  /** Below the list of timers. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Checks all timers together: each has a job type, names are unique, and there are not too many. */
export function timerProblems(
  timers: readonly Pick<ManifestTimer, "timerName">[],
  jobs: readonly { readonly jobType: string }[],
): TimerProblem[] {
  const problems: TimerProblem[] = [];
  if (timers.length > PACKAGE_MAX_TIMERS) {
    problems.push({ path: [], message: `expected at most ${PACKAGE_MAX_TIMERS} timers, not ${timers.length}` });
  }
  const types = new Set(jobs.map(({ jobType }) => jobType));
  const first = new Map<string, number>();
  timers.forEach(({ timerName }, index) => {
    const path = [index, "timerName"];
    const key = timerName.toLowerCase();
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, index);
    else {
      const message = `expected names that differ not only in capitals; timers[${earlier}] is ${JSON.stringify(timers[earlier]?.timerName)}`;
      problems.push({ path, message });
    }
    if (!types.has(timerName)) {
      problems.push({ path, message: `expected a job type of this package; none is ${JSON.stringify(timerName)}` });
    }
  });
  return problems;
}
