/** The bell of a queued row, ready to be sent: under its own name, and for the time the row waits for. */
import { bellMessageId, bellOf } from "../core/bell.ts";
import type { Job } from "../core/job.ts";
import type { OutgoingBell } from "../core/ports/job-queue.ts";
import type { Stored } from "../core/ports/stored.ts";

export const outgoingBell = ({ value: job, etag }: Stored<Job>): OutgoingBell => ({
  bell: bellOf(job, etag),
  messageId: bellMessageId(job.jobId, job.ring),
  enqueueAt: job.runAt,
});
