/** Log, events and the list of unreadable formats for tests that are about none of them. */
import type { Logger } from "../../runtime/core/logger.ts";
import type { Unreadable } from "../../runtime/core/unreadable.ts";
import { type JobEvents, createJobEvents } from "../../runtime/lifecycle/job-events.ts";

export const silentLog: Logger = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

export const silentEvents: JobEvents = createJobEvents({
  publisher: { publish: () => undefined },
  level: "none",
  now: () => new Date(),
  log: silentLog,
});

export const silentUnreadable: Unreadable = { note: () => undefined, formats: () => [] };
