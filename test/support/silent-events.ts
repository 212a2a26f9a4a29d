import { createJobEvents, type JobEvents } from "../../runtime/jobs/job-events.ts";
import type { PublishedEvent } from "../../runtime/core/events.ts";
import { silentLog } from "./silent-log.ts";

/** For tests that do not follow events. */
export const silentEvents: JobEvents = createJobEvents({
  publisher: { publish: () => undefined },
  level: "none",
  now: () => new Date(),
  log: silentLog,
});

/** Keeps every event, in the order they were told. */
export function recordingEvents(now: () => Date = () => new Date()): JobEvents & { readonly told: PublishedEvent[] } {
  const told: PublishedEvent[] = [];
  const publisher = { publish: (event: PublishedEvent) => void told.push(event) };
  return { ...createJobEvents({ publisher, level: "all", now, log: silentLog }), told };
}
