import { createJobEvents, type JobEvents } from "../../runtime/lifecycle/job-events.ts";
import { silentLog } from "./silent-log.ts";

/** For tests that do not follow events. */
export const silentEvents: JobEvents = createJobEvents({
  publisher: { publish: () => undefined },
  level: "none",
  now: () => new Date(),
  log: silentLog,
});
