/** What an author may write as a schedule, and what they may have meant otherwise. */
import { z } from "zod";
import { scheduleProblem } from "../core/manifest-timers.ts";
import type { ManifestTimer } from "../core/manifest.ts";
import { cronWarnings } from "../core/schedule/cron.ts";
import { isTimeSpan } from "../core/schedule/time-span.ts";
import { ianaZoneOf } from "./time-zones.ts";

/** A name of IANA's or Windows', read as the one that belongs into a manifest. */
export const timeZoneSchema = z
  .string("expected a time zone such as Europe/Vienna")
  .transform((given, context): string => {
    const message = scheduleProblem(() => ianaZoneOf(given));
    if (message === undefined) return ianaZoneOf(given);
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });

/** For a schedule that is valid. */
export function scheduleWarnings({ cron, timeZone }: Pick<ManifestTimer, "cron" | "timeZone">): readonly string[] {
  if (!isTimeSpan(cron)) return cronWarnings(cron);
  if (timeZone === undefined || timeZone === "UTC") return [];
  return [`The time span "${cron}" is counted in UTC: the time zone ${timeZone} changes nothing. Cron can be local.`];
}
