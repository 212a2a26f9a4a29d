/** Why a run of a timer was started, and for which ticks: the parameters of its job. */
import * as z from "zod";
import { instantSchema } from "../instant.ts";

const triggerSchema = z.object({
  /** It was due, a caller asked for it, or its package was published. */
  trigger: z.enum(["schedule", "manual", "deploy"]),
  /** When it was due, by the schedule; for other triggers, when it was asked for. */
  scheduledAt: instantSchema,
  /** Ticks besides its own that were not run and for which this run stands. */
  missedCount: z.int().min(0),
  /** The first and the last of them. */
  firstMissedAt: instantSchema.optional(),
  lastMissedAt: instantSchema.optional(),
  /** What the caller gave to a manual run. */
  parameters: z.unknown().optional(),
});

export type TimerTrigger = Readonly<z.infer<typeof triggerSchema>>;

/** JSON text, dates as ISO 8601. */
export const timerTriggerJson = (trigger: TimerTrigger): string => JSON.stringify(trigger);

/** Undefined for any other text, such as the parameters of a job of a timer's type that a caller submitted. */
export function parseTimerTrigger(json: string | undefined): TimerTrigger | undefined {
  if (json === undefined) return undefined;
  try {
    return triggerSchema.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}
