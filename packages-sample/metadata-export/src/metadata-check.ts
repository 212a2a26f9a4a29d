/** Lists documents that need attention, every five minutes. */
import { type TimerContext, scalableTimerJob } from "jobyard/job";
import type { Services } from "./setup.ts";

export const metadataCheck = scalableTimerJob(
  {
    name: "metadata-check",
    // A time span does not depend on clock time or daylight saving.
    cron: "00:05:00",
    // A check reports the current state, so a missed one need not be repeated.
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
    if (withoutOwner.length > 0) log("Without an owner:", withoutOwner.join(", "));
    if (expired.length > 0) log("May be destroyed:", expired.join(", "));
    return { output: { documents: documents.length, withoutOwner, expired, refused } };
  },
);
