/** Pauses, and the weights of tenants, in requests and answers of the web API. */
import * as z from "zod";
import type { Pause, PausedSubject } from "../admission/pause.ts";
import { PRIORITIES } from "../job/priority.ts";
import { PAUSE_REASON_MAX_LENGTH, WEIGHT_MAX } from "../limits.ts";
import { PLAIN_LINE } from "../text.ts";
import { displayName, poolName, tenantName } from "./requests.ts";
import { type Frozen, prioritySchema } from "./views.ts";

export const typeParams = z.object({
  tenantName: tenantName.meta({ description: "The tenant." }),
  jobType: displayName.meta({ description: "The job type.", examples: ["Thumbnails"] }),
});
export const poolParams = z.object({ pool: poolName });
export const queueParams = poolParams.extend({ priority: prioritySchema });

export const putPauseSchema = z
  .strictObject({
    reason: z
      .string()
      .min(1, "must not be empty")
      .max(PAUSE_REASON_MAX_LENGTH, `must have at most ${PAUSE_REASON_MAX_LENGTH} characters`)
      .regex(PLAIN_LINE, "must not contain control characters, nor characters that turn the direction of text")
      .optional()
      .meta({ description: "For people.", examples: ["The mail server is being moved."] }),
  })
  .meta({ id: "PutPause" });

export const pauseViewSchema = z
  .object({
    kind: z
      .enum(["tenant", "type", "pool", "queue", "erasure"])
      .meta({ description: "What is paused. `erasure`: the tenant is being erased, and nothing resumes it." }),
    tenantName: z.string().optional(),
    jobType: z.string().optional(),
    pool: z.string().optional(),
    priority: z.enum(PRIORITIES).optional(),
    pausedAt: z.iso.datetime(),
    pausedBy: z.string(),
    reason: z.string().optional(),
  })
  .meta({ id: "Pause", description: "What starts nothing new. Running jobs go on, and jobs are accepted." });

export const pausesSchema = z
  .object({ items: z.array(pauseViewSchema) })
  .meta({ id: "Pauses", description: "Of pools and queues, and of the tenants that the caller may see." });

export const putWeightSchema = z
  .strictObject({
    weight: z
      .int()
      .min(1)
      .max(WEIGHT_MAX)
      .meta({ description: "Share of the slots in proportion to other tenants. A new tenant has 1." }),
  })
  .meta({ id: "PutWeight" });

export type PutPauseBody = Readonly<z.input<typeof putPauseSchema>>;
export type PauseView = Frozen<z.infer<typeof pauseViewSchema>>;

export const pauseView = ({ subject, pausedAt, pausedBy, reason }: Pause): PauseView => ({
  ...subject,
  pausedAt: pausedAt.toISOString(),
  pausedBy,
  ...(reason !== undefined && { reason }),
});

/** Whose pause it is. Undefined: it belongs to no tenant. */
export const tenantOfPause = (subject: PausedSubject): string | undefined =>
  "tenantName" in subject ? subject.tenantName : undefined;
