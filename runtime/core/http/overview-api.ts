/** What a tenant's jobs are doing, in numbers. */
import * as z from "zod";
import { OVERVIEW_ENTRIES_MAX_COUNT } from "../limits.ts";
import { pauseViewSchema } from "./pause-api.ts";
import type { Frozen } from "./views.ts";

const count = z.int().min(0);
const instant = z.iso.datetime();

const countedSchema = z
  .object({
    count,
    isMore: z.boolean().meta({ description: `There are more: ${OVERVIEW_ENTRIES_MAX_COUNT} are counted at most.` }),
  })
  .meta({ id: "CountedJobs" });

export const overviewSchema = z
  .object({
    tenantName: z.string(),
    waiting: countedSchema,
    delayed: countedSchema,
    running: countedSchema,
    failed: countedSchema,
    oldestWaitingAt: instant.optional().meta({
      description: "Since when the job that waits longest may start. Absent: none waits, or not all were counted.",
    }),
    pauses: z
      .array(pauseViewSchema)
      .optional()
      .meta({ description: "What holds jobs of the tenant: pauses of its own, of pools and queues. Absent: nothing." }),
    course: z
      .object({
        since: instant.meta({
          description: "Six hours before the end of the current span. Later if more jobs ended than are counted.",
        }),
        spanMs: z.number().min(1),
        spans: z
          .array(z.object({ succeeded: count, failed: count }))
          .meta({ description: "Oldest first, without gaps." }),
      })
      .meta({ id: "JobCourse", description: "How the jobs of the last hours ended, by the time of their submit." }),
  })
  .meta({
    id: "Overview",
    description:
      "Waiting are queued jobs that may start, delayed those whose time has not come. From the index: what a worker has changed is counted after one to two seconds.",
  });

export type OverviewView = Frozen<z.infer<typeof overviewSchema>>;
