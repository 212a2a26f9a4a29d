/** Every five minutes: documents that somebody should look at. */
import { type TimerContext, scalableTimerJob } from "jobyard/job";
import type { Services } from "./setup.ts";

export const metadataCheck = scalableTimerJob(
  {
    name: "metadata-check",
    // A time span: a rhythm that knows no clocks and no daylight saving.
    cron: "00:05:00",
    // Tells how things are now, so a check that was missed need not be made up for.
    misfire: "skip",
    graceSeconds: 30,
    timeoutMs: 60_000,
  },
  async ({ services, timer, log, signal }: TimerContext<Services>) => {
    const { documents, refused } = await services.catalog.collect(signal);
    const withoutOwner = documents.filter(({ owner }) => owner === undefined).map(({ id }) => id);
    const expired = documents
      .filter(({ retainUntil }) => retainUntil !== undefined && retainUntil <= timer.scheduledAt)
      .map(({ id }) => id);
    if (withoutOwner.length > 0) log("Nobody owns", withoutOwner.join(", "));
    if (expired.length > 0) log("May be destroyed:", expired.join(", "));
    return { output: { documents: documents.length, withoutOwner, expired, refused } };
  },
);
