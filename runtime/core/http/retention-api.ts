/** How long a tenant keeps what is left of its jobs, in requests and answers of the web API. */
import * as z from "zod";
import type { Retention, TenantRetention } from "../job/retention.ts";
import { RETENTION_MAX_DAYS, ROW_MIN_DAYS } from "../limits.ts";
import { TERMINAL_STATES } from "../job/states.ts";
import type { Frozen } from "./views.ts";

const daysMessage = `must be a whole number from 0 to ${RETENTION_MAX_DAYS}; 0 means for ever`;
const days = z.int({ error: daysMessage }).min(0, daysMessage).max(RETENTION_MAX_DAYS, daysMessage);
const rowDays = days
  .refine((count) => count === 0 || count >= ROW_MIN_DAYS, {
    error: `must be 0 or at least ${ROW_MIN_DAYS}: a repeated submit can name the job until then`,
  })
  .meta({ description: "Of the job with its parameters, output, failure and history.", examples: [90] });

const outcomeFields = {
  rowDays,
  logDays: days.meta({ description: "Of its logs. They go with the job, if not before.", examples: [30] }),
  fileDays: days.meta({ description: "Of its artifacts. They go with the job, if not before.", examples: [90] }),
};
const outcome = z.strictObject(outcomeFields);

export const putRetentionSchema = z
  .strictObject({
    succeeded: outcome,
    failed: outcome,
    canceled: outcome,
    deadLetterDays: days.meta({ description: "Of dead letters. 0: as long as failed jobs.", examples: [30] }),
  })
  .meta({ id: "PutRetention", description: "Days after the end of a job; 0: for ever." });

const outcomeView = z.object({ rowDays: z.int(), logDays: z.int(), fileDays: z.int() });

export const retentionViewSchema = z
  .object({
    tenantName: z.string(),
    succeeded: outcomeView,
    failed: outcomeView,
    canceled: outcomeView,
    deadLetterDays: z.int(),
    changedAt: z.iso.datetime().optional().meta({ description: "Absent: the tenant has the system's defaults." }),
    changedBy: z.string().optional(),
  })
  .meta({ id: "Retention" });

export type PutRetentionBody = Readonly<z.input<typeof putRetentionSchema>>;
export type RetentionView = Frozen<z.infer<typeof retentionViewSchema>>;

export function retentionView(
  tenantName: string,
  retention: Retention & Partial<Pick<TenantRetention, "changedAt" | "changedBy">>,
): RetentionView {
  const { deadLetterDays, changedAt, changedBy } = retention;
  const [succeeded, failed, canceled] = TERMINAL_STATES.map((state) => {
    const { rowDays: rows, logDays, fileDays } = retention[state];
    return { rowDays: rows, logDays, fileDays };
  }) as [RetentionView["succeeded"], RetentionView["failed"], RetentionView["canceled"]];
  return {
    ...{ tenantName, succeeded, failed, canceled, deadLetterDays },
    ...(changedAt && { changedAt: changedAt.toISOString() }),
    ...(changedBy !== undefined && { changedBy }),
  };
}
